use postbell_model::{Address, Domain};
use postbell_smtp::command::{Command, ForwardPath, parse};

/// A mailbox that is read is read as the same again, within the limits of RFC 5321 §4.5.3.1, and
/// the commands of SMTP read it as we do.
pub fn address(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    check_domain(text);
    let Ok(address) = Address::parse(text) else {
        return;
    };
    let written = address.as_str();
    assert_eq!(Address::parse(written).as_ref(), Ok(&address));
    let parts = format!("{}@{}", address.local_part(), address.domain());
    assert_eq!(parts, written);
    assert!(address.local_part().len() <= 64);
    assert!(!written.chars().any(char::is_control), "{written:?}");
    assert_eq!(address.needs_smtputf8(), !written.is_ascii());
    assert_eq!(
        Address::new(address.local_part(), address.domain()),
        Ok(address.clone())
    );
    check_command(&address);
}

fn check_domain(text: &str) {
    let Ok(domain) = Domain::parse(text) else {
        return;
    };
    let written = domain.as_str();
    assert_eq!(Domain::parse(written).as_ref(), Ok(&domain));
    assert!(written.len() <= 255 && written.is_ascii());
    assert!(domain.is_within(&domain));
    if let Some(ip) = domain.literal() {
        assert_eq!(Domain::from(ip).literal(), Some(ip));
    }
}

fn check_command(address: &Address) {
    let line = format!("RCPT TO:<{address}>");
    match parse(line.as_bytes()) {
        Ok(Command::Rcpt(params)) => {
            assert_eq!(params.to, ForwardPath::Mailbox(address.clone()));
            assert_eq!(params.non_ascii, address.needs_smtputf8());
        }
        // A host might relay for whoever wrote these.
        refused => assert!(
            address.local_part().contains(['%', '!', '@']),
            "{line}: {refused:?}"
        ),
    }
}
