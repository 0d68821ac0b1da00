use bytes::Bytes;
use postbell_mail::header::Header;
use postbell_mail::transfer::{LINE_MAX, Need, fit, long_lines};

/// What is made to fit fits, and is not touched a second time; the header keeps its fields.
pub fn transfer(data: &[u8]) {
    let raw = Bytes::copy_from_slice(data);
    if let Ok(fitted) = fit(&raw, Need::SevenBit) {
        assert!(fitted.is_ascii());
        check(&raw, &fitted, Need::SevenBit);
    }
    if let Ok(fitted) = fit(&raw, Need::ShortLines) {
        check(&raw, &fitted, Need::ShortLines);
        let left = long_lines(&fitted);
        assert!(left.body <= data.len());
    }
}

fn check(raw: &Bytes, fitted: &Bytes, need: Need) {
    assert_eq!(fit(fitted, need).as_ref(), Ok(fitted));
    // Quoted-printable triples an octet; base64 and folding add less.
    assert!(fitted.len() <= 4 * raw.len() + 1_000);
    if !has_long_line(raw) && raw.is_ascii() {
        assert_eq!(fitted, raw);
    }
    let (Ok(before), Ok(after)) = (Header::find(raw), Header::find(fitted)) else {
        return;
    };
    for name in ["From", "To", "Subject", "Date", "Message-ID"] {
        let of = |header: Header<'_>| -> Vec<_> {
            let fields = header.fields().filter(|field| field.is(name));
            fields.map(|field| field.unfolded().into_owned()).collect()
        };
        assert_eq!(of(before), of(after), "{name}");
    }
}

fn has_long_line(raw: &[u8]) -> bool {
    raw.split(|octet| *octet == b'\n')
        .any(|line| line.len() > LINE_MAX)
}
