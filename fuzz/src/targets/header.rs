use postbell_mail::control::{Control, is_control};
use postbell_mail::header::{HEADER_MAX, Header};

/// The fields of a header are its octets, one after another and nothing between them; a header
/// that is read by itself has the same fields.
pub fn header(data: &[u8]) {
    let Ok(header) = Header::find(data) else {
        assert!(data.len() > HEADER_MAX);
        return;
    };
    let octets = header.as_bytes();
    assert!(data.starts_with(octets) && octets.len() <= HEADER_MAX);
    let rest = &data[octets.len()..];
    assert!(rest.is_empty() || rest.starts_with(b"\r\n") || rest.starts_with(b"\n"));
    let mut at = 0;
    for field in header.fields() {
        let span = field.span().clone();
        assert!(span.start == at && span.end > at);
        at = span.end;
        let written = &octets[span];
        assert!(written.starts_with(field.name()));
        assert!(field.name().iter().all(u8::is_ascii_graphic));
        assert!(!field.unfolded().contains(&b'\n'));
        assert!(!field.is_blank() || field.unfolded().is_empty());
        // What is decoded is at most what was written, in UTF-8's longest form.
        assert!(field.text().len() <= 16 * written.len() + 16);
        if let Some(control) = Control::of(field.clone()) {
            assert!(is_control(&field));
            assert_eq!(control.text(), field.text());
        }
    }
    assert_eq!(at, octets.len());
    let alone = Header::find(octets).expect("it was short enough before");
    assert!(alone.fields().eq(header.fields()));
}
