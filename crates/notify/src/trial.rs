//! One call by hand, so that whoever sets a destination up sees at once whether it answers.

use std::time::Duration;

use postbell_model::{Clock, Destination, EventId};
use postbell_net::HttpClient;
use postbell_store::CallAnswer;
use serde_json::json;

use crate::Document;
use crate::post::{Wire, post};
use crate::profile::{BadDestination, Profile, SetNames};

const NAME: &str = "Test";

/// A call that was made by hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trial {
    /// The id of the document.
    pub id: EventId,
    /// How long it took.
    pub took: Duration,
    /// What came of it.
    pub answer: CallAnswer,
}

/// Posts a signed `Test` document that tells of nothing, as every other call is made; whether the
/// destination is switched off or wants such events does not matter. Nothing is recorded.
///
/// # Errors
/// The destination can't be called as it is set up.
pub async fn try_destination(
    destination: &Destination,
    http: &HttpClient,
    clock: &dyn Clock,
    timeout: Duration,
) -> Result<Trial, BadDestination> {
    let profile = Profile::new(destination, SetNames::new())?;
    let wire = Wire {
        http,
        clock,
        timeout,
    };
    let now = clock.now();
    let id = EventId::new(now);
    let json = json!({
        "id": id.to_string(),
        "eventType": NAME,
        "timestamp": now.to_string(),
        "workspaceId": destination.workspace.to_string(),
        "test": {
            "destinationId": destination.id.to_string(),
            "name": destination.name,
        },
    });
    let document = Document {
        number: 0,
        id: id.to_string(),
        name: NAME,
        json: json.to_string().into(),
    };
    let made = post(wire, &profile, document).await;
    Ok(Trial {
        id,
        took: made.took,
        answer: made.answer,
    })
}
