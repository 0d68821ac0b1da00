use std::sync::LazyLock;

use postbell_mail::Classifier;
use postbell_model::{BounceType, Phase, Reply};

use crate::input::Input;

static CLASSIFIER: LazyLock<Classifier> = LazyLock::new(Classifier::standard);
const PHASES: [Phase; 4] = [Phase::Connect, Phase::Mail, Phase::Rcpt, Phase::Message];

/// A reply has one class, however its text is spaced and whatever the case of its letters.
pub fn classify(data: &[u8]) {
    let mut input = Input::new(data);
    let phase = PHASES[usize::from(input.octet() % 4)];
    let code = 400 + u16::from(input.octet()) % 200;
    let text = String::from_utf8_lossy(input.rest());
    let reply = Reply::received(code, &text);
    let class = CLASSIFIER.classify(phase, &reply);
    let _ = BounceType::of_refusal(class);
    let class_of = |text: String| {
        let reply = Reply {
            text,
            ..reply.clone()
        };
        CLASSIFIER.classify(phase, &reply)
    };
    if reply.text.is_ascii() {
        assert_eq!(class_of(reply.text.to_ascii_uppercase()), class);
        assert_eq!(class_of(reply.text.to_ascii_lowercase()), class);
    }
    assert_eq!(class_of(reply.text.replace(' ', "  ")), class);
    assert_eq!(class_of(format!(" {} ", reply.text)), class);
}
