//! A message that came in, as it goes on: our trace and its mark, then the message.
//!
//! What others have signed has to stay as it is: nothing is added that is missing, and nothing is
//! taken away but Return-Path, which the next server writes anew (RFC 5321 §4.4).

use postbell_model::Forward;

use super::{RenderError, Rendered, Rendering, first_chunk, put_together, received};
use crate::forward::MARK;
use crate::header::Header;

pub(super) fn render(
    rendering: &Rendering<'_>,
    forward: &Forward,
) -> Result<Rendered, RenderError> {
    let (first, rest) = first_chunk(rendering.body);
    let header = Header::find(first)?;
    let removed: Vec<_> = header
        .fields()
        .filter(|field| field.is("Return-Path"))
        .map(|field| field.span().clone())
        .collect();
    let date = rendering.message.accepted_at.to_rfc5322();
    let mut block = received(rendering, &date);
    block.push_str(&format!(
        "X-Postbell-Delivery: {}\r\n{MARK}: {}\r\n",
        rendering.header_token,
        forward.via.as_str()
    ));
    Ok(put_together(block, (first, rest), &removed))
}
