//! The responses of a closed gate, made when the layer is built.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION, RETRY_AFTER},
};
use serde_json::Value;

use super::{GateDenied, GrpcStatus, denial::Deny};
use crate::http::{FixedBody, caching::NO_STORE};

/// The settings of a closed gate's responses.
#[derive(Debug, Clone)]
pub(super) struct Wording {
    pub(super) form: Form,
    pub(super) status: StatusCode,
    pub(super) detail: String,
    pub(super) code: String,
    pub(super) grpc_status: GrpcStatus,
}

#[derive(Debug, Clone)]
pub(super) enum Form {
    /// The response of the Python package `tempest-fastapi-sdk`, byte for byte.
    Json,
    /// Problem details (RFC 9457).
    Problem,
    Redirect(HeaderValue),
}

impl Default for Wording {
    fn default() -> Self {
        Self {
            form: Form::Json,
            status: StatusCode::NOT_FOUND,
            detail: "Feature not available".to_owned(),
            code: "FEATURE_DISABLED".to_owned(),
            grpc_status: GrpcStatus::Unimplemented,
        }
    }
}

/// The responses, ready to be sent.
#[derive(Debug)]
pub(super) struct Denials {
    closed: Answers,
    /// For a flag that is neither on nor off, because its source is lost.
    unavailable: Answers,
}

#[derive(Debug)]
struct Answers {
    fixed: Fixed,
    grpc: HeaderMap,
}

/// A response that is identical for every request.
#[derive(Debug)]
pub struct Fixed {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

/// Seconds, for `Retry-After`: the flags notice a source that is back sooner than that.
const SOON: &str = "5";

impl Wording {
    pub(super) fn build(&self) -> Denials {
        Denials { closed: self.answers(), unavailable: self.unavailable().answers() }
    }

    /// Returns the settings for a flag with `on_stale = "unavailable"` whose source has been lost
    /// for too long.
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
            grpc_status: GrpcStatus::Unavailable,
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
                // After 303 the client fetches the target with GET, whatever the method was. 307
                // and 308 would send the body of a POST to a page that was not made for it. Clients
                // may remember 301 and 308 after the flag is on.
                (StatusCode::SEE_OTHER, String::new())
            }
        };
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, HeaderValue::from_static(SOON));
        }
        Answers { fixed: Fixed { status, headers, body: body.into() }, grpc: self.grpc() }
    }

    fn json(&self) -> String {
        let [detail, code] = [&self.detail, &self.code].map(|text| Value::from(text.as_str()));
        format!(r#"{{"detail":{detail},"code":{code},"details":{{}}}}"#)
    }

    /// Returns problem details. The title of `about:blank` is that of the status (RFC 9457, section
    /// 4.2.1).
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

    /// Returns the header of a trailers-only response, as in the gRPC specification
    /// (PROTOCOL-HTTP2.md, "Responses").
    fn grpc(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(GRPC));
        // gRPC does not need it. But any client can send a GET of that content type, and a cache
        // would give the empty 200 to all clients.
        headers.insert(CACHE_CONTROL, NO_STORE);
        let status = HeaderName::from_static("grpc-status");
        headers.insert(status, HeaderValue::from(self.grpc_status as u16));
        let message = HeaderValue::try_from(percent_encode(&self.detail));
        if let Ok(message) = message {
            headers.insert(HeaderName::from_static("grpc-message"), message);
        }
        headers
    }
}

const GRPC: &str = "application/grpc";

/// Encodes as gRPC's Percent-Encoded: everything outside printable ASCII, and the percent sign.
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
    /// Returns the response to a request, whose body is dropped unread. The response to a gRPC
    /// request has no body.
    #[cold]
    pub(super) fn respond<D: Deny, B>(
        &self,
        denial: &D,
        denied: GateDenied,
        request: Request<B>,
    ) -> Response<Option<D::Body>> {
        let Answers { fixed, grpc } =
            if denied.is_unavailable() { &self.unavailable } else { &self.closed };
        let mut response = match grpc_flavour(request.headers()) {
            Some(flavour) => {
                let mut response = Response::new(None);
                *response.headers_mut() = grpc.clone();
                if flavour != GRPC {
                    response.headers_mut().insert(CONTENT_TYPE, flavour.clone());
                }
                response
            }
            None => denial.deny(fixed, &denied, request).map(Some),
        };
        response.extensions_mut().insert(denied);
        response
    }
}

impl Fixed {
    pub(super) fn respond(&self) -> Response<FixedBody> {
        let mut response = Response::new(FixedBody::new(self.body.clone()));
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers.clone();
        response
    }
}

/// Returns the content type for the response if the request is a gRPC request: clients of gRPC-Web
/// need their own.
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
