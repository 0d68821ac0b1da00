//! A configuration that is followed while the server runs.

use crate::world::World;

const ANN: &str = "ann@recipient.test";

/// The certificate of the tracking host, in these files.
fn tracking_by(certificate: &str) -> String {
    let certs = concat!(env!("CARGO_MANIFEST_DIR"), "/../../certs");
    format!(
        "tracking.listen_tls = [\"127.0.0.1:0\"]\ntracking.certificate = [{{ hosts = \
         [\"track.sender.test\"], certificate = \"{certs}/{certificate}.pem\", \
         key = \"{certs}/dev-key.pem\" }}]\n"
    )
}

#[tokio::test]
async fn where_one_thing_does_not_hold_nothing_is_followed() {
    // Nobody is there.
    let relay = "deliver.relay = [{ host = \"127.0.0.1\", port = 1, tls = \"none\" }]\n";
    let world = World::start_with(&tracking_by("dev")).await;
    for certificate in ["gone", "ca"] {
        let told = world.follow(&format!("{relay}{}", tracking_by(certificate)));
        let told = format!("{:#}", told.unwrap_err());
        assert!(
            told.starts_with("the certificates of [tracking]: "),
            "{told}"
        );
    }
    world.submit(ANN, "").await;
    world.delivered(ANN).await;
    world.follow(&tracking_by("dev")).unwrap();
    world.end().await;
}
