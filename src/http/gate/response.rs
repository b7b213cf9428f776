//! The answers of a closed gate, made when the layer is built.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION, RETRY_AFTER},
};
use serde_json::Value;

use super::{DenialResponse, GateDenied};
use crate::model::Cause;

/// What a closed gate is to answer.
#[derive(Clone)]
pub(super) struct Wording {
    pub(super) form: Form,
    pub(super) status: StatusCode,
    pub(super) detail: String,
    pub(super) code: String,
    pub(super) grpc_status: u8,
}

#[derive(Clone)]
pub(super) enum Form {
    /// What the Python package `tempest-fastapi-sdk` answers, byte for byte.
    Json,
    /// RFC 9457.
    Problem,
    Redirect(HeaderValue),
    Custom(Arc<dyn DenialResponse + Send + Sync>),
}

impl Default for Wording {
    fn default() -> Self {
        Self {
            form: Form::Json,
            status: StatusCode::NOT_FOUND,
            detail: "Feature not available".to_owned(),
            code: "FEATURE_DISABLED".to_owned(),
            // UNIMPLEMENTED
            grpc_status: 12,
        }
    }
}

/// The answers, ready to be sent.
pub(super) struct Denials {
    closed: Answers,
    /// For a flag of which nobody knows whether it is on.
    unavailable: Answers,
}

struct Answers {
    web: Web,
    grpc: HeaderMap,
}

enum Web {
    Fixed { status: StatusCode, headers: HeaderMap, body: Bytes },
    Custom(Arc<dyn DenialResponse + Send + Sync>),
}

/// Seconds, for `Retry-After`: a source that is back is noticed sooner than that.
const SOON: &str = "5";

const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

impl Wording {
    pub(super) fn build(&self) -> Denials {
        Denials { closed: self.answers(), unavailable: self.unavailable().answers() }
    }

    /// What is said instead when a flag asks for it, because its source has been lost for too long.
    fn unavailable(&self) -> Self {
        let form = match &self.form {
            Form::Redirect(_) => Form::Json,
            form => form.clone(),
        };
        Self {
            form,
            status: StatusCode::SERVICE_UNAVAILABLE,
            detail: "Feature temporarily unavailable".to_owned(),
            code: "FEATURE_UNAVAILABLE".to_owned(),
            // UNAVAILABLE
            grpc_status: 14,
        }
    }

    fn answers(&self) -> Answers {
        let mut headers = HeaderMap::new();
        headers.insert(CACHE_CONTROL, NO_STORE);
        let (status, body) = match &self.form {
            Form::Json => {
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
                (self.status, self.json())
            }
            Form::Problem => {
                let problem = HeaderValue::from_static("application/problem+json");
                headers.insert(CONTENT_TYPE, problem);
                (self.status, self.problem())
            }
            Form::Redirect(target) => {
                headers.insert(LOCATION, target.clone());
                // Whatever the method was, the client fetches the target with GET. 307 and 308
                // would send the body of a POST to a page that was not made for it, and 301 and
                // 308 may be remembered beyond the moment the flag is on.
                (StatusCode::SEE_OTHER, String::new())
            }
            Form::Custom(respond) => {
                return Answers { web: Web::Custom(Arc::clone(respond)), grpc: self.grpc() };
            }
        };
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, HeaderValue::from_static(SOON));
        }
        Answers { web: Web::Fixed { status, headers, body: body.into() }, grpc: self.grpc() }
    }

    fn json(&self) -> String {
        let [detail, code] = [&self.detail, &self.code].map(|text| Value::from(text.as_str()));
        format!(r#"{{"detail":{detail},"code":{code},"details":{{}}}}"#)
    }

    /// RFC 9457, section 4.2.1: the title of `about:blank` is that of the status.
    fn problem(&self) -> String {
        let title = self.status.canonical_reason();
        let title = title.map(|title| format!(r#""title":{},"#, Value::from(title)));
        let [detail, code] = [&self.detail, &self.code].map(|text| Value::from(text.as_str()));
        format!(
            r#"{{"type":"about:blank",{}"status":{},"detail":{detail},"code":{code}}}"#,
            title.unwrap_or_default(),
            self.status.as_u16(),
        )
    }

    /// The header of a trailers-only response, as the gRPC specification has it
    /// (PROTOCOL-HTTP2.md, "Responses").
    fn grpc(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(GRPC));
        // gRPC does without, but any client can send a GET of that content type, and a cache would
        // give the empty 200 to everybody.
        headers.insert(CACHE_CONTROL, NO_STORE);
        let status = HeaderName::from_static("grpc-status");
        headers.insert(status, HeaderValue::from(u16::from(self.grpc_status)));
        let message = HeaderValue::try_from(percent_encode(&self.detail));
        if let Ok(message) = message {
            headers.insert(HeaderName::from_static("grpc-message"), message);
        }
        headers
    }
}

const GRPC: &str = "application/grpc";

/// gRPC's Percent-Encoded: everything outside printable ASCII, and the percent sign.
fn percent_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' '..=b'~' if byte != b'%' => encoded.push(char::from(byte)),
            _ => {
                const HEX: &[u8; 16] = b"0123456789ABCDEF";
                encoded.push('%');
                encoded.push(char::from(HEX[usize::from(byte >> 4)]));
                encoded.push(char::from(HEX[usize::from(byte & 15)]));
            }
        }
    }
    encoded
}

impl Denials {
    /// The response to a request, whose body is dropped unread.
    #[cold]
    pub(super) fn respond<B>(&self, denied: GateDenied, request: Request<B>) -> Response<Bytes> {
        let Answers { web, grpc } = match denied.answer().cause {
            Cause::Unavailable => &self.unavailable,
            _ => &self.closed,
        };
        let mut response = match grpc_flavour(request.headers()) {
            Some(flavour) => {
                let mut response = Response::new(Bytes::new());
                *response.headers_mut() = grpc.clone();
                if flavour != GRPC {
                    response.headers_mut().insert(CONTENT_TYPE, flavour.clone());
                }
                response
            }
            None => web.respond(&denied, request),
        };
        response.extensions_mut().insert(denied);
        response
    }
}

impl Web {
    fn respond<B>(&self, denied: &GateDenied, request: Request<B>) -> Response<Bytes> {
        match self {
            Self::Fixed { status, headers, body } => {
                let mut response = Response::new(body.clone());
                *response.status_mut() = *status;
                *response.headers_mut() = headers.clone();
                response
            }
            Self::Custom(respond) => {
                let (parts, _) = request.into_parts();
                let mut response = respond.respond(denied, &parts);
                // Otherwise caches may keep a 404 or 410 for as long as they like.
                response.headers_mut().entry(CACHE_CONTROL).or_insert(NO_STORE);
                response
            }
        }
    }
}

/// The content type to answer a gRPC request with, if it is one: clients of gRPC-Web want theirs.
fn grpc_flavour(headers: &HeaderMap) -> Option<&HeaderValue> {
    static PLAIN: HeaderValue = HeaderValue::from_static(GRPC);
    let kind = headers.get(CONTENT_TYPE)?;
    let starts_with = |prefix: &str| {
        let start = kind.as_bytes().get(..prefix.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()))
    };
    if starts_with("application/grpc-web") {
        return Some(kind);
    }
    starts_with(GRPC).then_some(&PLAIN)
}

impl fmt::Debug for Wording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wording")
            .field("status", &self.status)
            .field("detail", &self.detail)
            .field("code", &self.code)
            .field("grpc_status", &self.grpc_status)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_escaped_as_python_escapes_them() {
        let detail = "„a\"b\\c\n\u{1}\u{7f}é🎈".to_owned();
        let wording = Wording { detail, code: "A/B".to_owned(), ..Wording::default() };

        // json.dumps(…, ensure_ascii=False, separators=(",", ":"))
        let expected =
            "{\"detail\":\"„a\\\"b\\\\c\\n\\u0001\u{7f}é🎈\",\"code\":\"A/B\",\"details\":{}}";
        assert_eq!(wording.json(), expected);
    }

    #[test]
    fn a_status_without_a_phrase_has_no_title() {
        let status = StatusCode::from_u16(499).unwrap();
        let wording = Wording { status, ..Wording::default() };

        assert_eq!(
            wording.problem(),
            r#"{"type":"about:blank","status":499,"detail":"Feature not available","code":"FEATURE_DISABLED"}"#
        );
    }

    #[test]
    fn a_grpc_message_is_printable_ascii() {
        assert_eq!(percent_encode("100 % „ja“\n~"), "100 %25 %E2%80%9Eja%E2%80%9C%0A~");
    }

    #[test]
    fn only_grpc_content_types_are_grpc() {
        for (kind, flavour) in [
            ("application/grpc", Some("application/grpc")),
            ("application/grpc+proto", Some("application/grpc")),
            ("Application/GRPC;charset=x", Some("application/grpc")),
            ("application/grpc-web+proto", Some("application/grpc-web+proto")),
            ("application/json", None),
            ("application/grp", None),
        ] {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, kind.parse().unwrap())]);

            let found = grpc_flavour(&headers).map(|value| value.to_str().unwrap());

            assert_eq!(found, flavour, "{kind}");
        }
    }
}
