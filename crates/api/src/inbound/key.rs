//! Who asks: the API key of a request (RFC 6750 §2.1).

use aws_lc_rs::digest::{SHA256, digest};
use axum::http::{HeaderMap, StatusCode, header};
use postbell_model::{ApiKeyKind, Timestamp, WorkspaceId};
use postbell_store::Directory;

use crate::Problem;

/// A longer one is none of ours.
const KEY_MAX: usize = 200;

/// The workspace of a request's key, which may read everything in it.
pub(super) fn workspace(
    headers: &HeaderMap,
    directory: &Directory,
    now: Timestamp,
) -> Result<WorkspaceId, Problem> {
    const ASK: &str = "Authorization: Bearer sk_… is needed, with an API key of the workspace";
    let key = bearer(headers).ok_or_else(|| unauthorized(ASK))?;
    let key = hash(key).and_then(|hash| directory.api_key(&hash));
    let key = key.ok_or_else(|| unauthorized("there is no such API key"))?;
    if key.has_expired(now) {
        return Err(unauthorized("the API key has expired"));
    }
    match key.kind {
        ApiKeyKind::Secret => Ok(key.workspace),
        ApiKeyKind::Public => {
            let detail = "a public API key is for tracking alone";
            Err(Problem::new(StatusCode::FORBIDDEN, detail))
        }
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let given = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, key) = given.trim().split_once(' ')?;
    // RFC 9110 §11.1: without case.
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
}

fn hash(key: &str) -> Option<[u8; 32]> {
    if key.len() > KEY_MAX {
        return None;
    }
    digest(&SHA256, key.as_bytes()).as_ref().try_into().ok()
}

fn unauthorized(detail: &str) -> Problem {
    // RFC 9110 §11.6.1
    Problem::new(StatusCode::UNAUTHORIZED, detail).with_field(header::WWW_AUTHENTICATE, "Bearer")
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use axum::response::IntoResponse;
    use postbell_model::ApiKey;

    use super::*;

    fn headers(value: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, HeaderValue::from_static(value));
        headers
    }

    #[test]
    fn secret_keys_open_what_is_of_their_workspace_until_they_expire() {
        let now = Timestamp::from_micros(7);
        let key = |text: &str, kind, expires_at| ApiKey {
            prefix: text.to_owned(),
            workspace: WorkspaceId(3),
            name: text.to_owned(),
            kind,
            hash: hash(text).unwrap(),
            created_at: Timestamp::default(),
            expires_at,
            last_used_at: None,
        };
        let directory = Directory::default().with_api_keys([
            key("sk_good", ApiKeyKind::Secret, None),
            key("sk_over", ApiKeyKind::Secret, Some(now)),
            key("pk_page", ApiKeyKind::Public, None),
        ]);
        let of = |value| workspace(&headers(value), &directory, now);
        assert_eq!(of("Bearer sk_good").unwrap(), WorkspaceId(3));
        for (value, status) in [
            ("Bearer sk_over", 401),
            ("Bearer sk_other", 401),
            ("sk_good", 401),
            ("Bearer pk_page", 403),
        ] {
            let answer = of(value).unwrap_err().into_response();
            assert_eq!(answer.status(), status, "{value}");
            let asks = answer.headers().contains_key(header::WWW_AUTHENTICATE);
            assert_eq!(asks, status == 401, "{value}");
        }
    }

    #[test]
    fn a_key_stands_behind_its_scheme() {
        let of = |value| bearer(&headers(value)).map(str::to_owned);
        for given in ["Bearer sk_a", "bearer  sk_a ", "BEARER sk_a"] {
            assert_eq!(of(given).as_deref(), Some("sk_a"), "{given}");
        }
        for given in ["sk_a", "Basic sk_a", "Bearer", ""] {
            assert_eq!(of(given), None, "{given}");
        }
        assert_eq!(bearer(&HeaderMap::new()), None);
        assert_eq!(hash(&"x".repeat(KEY_MAX + 1)), None);
    }
}
