//! Errors as a client sees them: `application/problem+json` (RFC 9457) that says what, where and what to do.

use axum::Json;
use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::model::params::ParamError;

/// One problem, ready to be a response.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Problem {
    #[serde(rename = "type")]
    kind: String,
    title: &'static str,
    status: u16,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    range: Option<String>,
    /// What a directory holds. Boxed, for errors are returned by value everywhere.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub(crate) listing: Option<Box<Listing>>,
}

/// The names in a directory.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Listing {
    /// The first hundred.
    pub(crate) entries: Vec<String>,
    /// How many there are.
    pub(crate) total_entries: usize,
}

impl Problem {
    /// A problem of `kind`, which is stable and names the documentation's entry (`docs/http.md`).
    pub(crate) fn new(
        status: StatusCode,
        kind: &str,
        title: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        Self {
            kind: format!("urn:frameway:problem:{kind}"),
            title,
            status: status.as_u16(),
            detail: detail.into(),
            field: None,
            range: None,
            listing: None,
        }
    }

    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "Not found", detail)
    }

    /// A field whose value was understood but cannot be taken.
    pub(crate) fn about_field(
        field: &'static str,
        kind: &str,
        title: &'static str,
        error: impl std::fmt::Display,
    ) -> Self {
        let mut problem = Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            kind,
            title,
            error.to_string(),
        );
        problem.field = Some(field);
        problem
    }

    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "bad-request",
            "Bad request",
            detail,
        )
    }

    pub(crate) fn too_large(limit_bytes: usize) -> Self {
        let detail =
            format!("the body is larger than {limit_bytes} bytes, the most this route takes");
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too-large",
            "Body too large",
            detail,
        )
    }

    pub(crate) fn unsupported_media_type(got: &str, wanted: &str) -> Self {
        let detail = format!("Content-Type is {got:?}; send {wanted}");
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "media-type",
            "Unsupported media type",
            detail,
        )
    }
}

impl From<ParamError> for Problem {
    fn from(error: ParamError) -> Self {
        let mut problem = Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "out-of-range",
            "A parameter cannot be taken",
            error.to_string(),
        );
        problem.field = Some(error.field);
        problem.range = Some(error.accepted);
        problem
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(self)).into_response();
        response.headers_mut().insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        response
    }
}

/// A JSON body, whose rejection is a [`Problem`].
pub(crate) struct JsonBody<T>(pub(crate) T);

/// The largest JSON body, in bytes.
pub(crate) const MAX_JSON_BYTES: usize = 64 * 1024;

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        let kind = content_type(request.headers());
        if kind != "application/json" && !kind.ends_with("+json") {
            return Err(Problem::unsupported_media_type(&kind, "application/json"));
        }
        let body = read_body(request, MAX_JSON_BYTES).await?;
        serde_json::from_slice(&body)
            .map(Self)
            .map_err(|error| describe_json_error(&error))
    }
}

fn describe_json_error(error: &serde_json::Error) -> Problem {
    use serde_json::error::Category;
    match error.classify() {
        Category::Data => Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "bad-field",
            "A field cannot be taken",
            format!("the JSON does not describe this request: {error}"),
        ),
        _ => Problem::bad_request(format!("the body is not JSON: {error}")),
    }
}

/// The media type of a request, lower case, without parameters.
pub(crate) fn content_type(headers: &http::HeaderMap) -> String {
    let value = headers
        .get(header::CONTENT_TYPE)
        .and_then(|v| v.to_str().ok())
        .unwrap_or("");
    value
        .split(';')
        .next()
        .unwrap_or("")
        .trim()
        .to_ascii_lowercase()
}

/// The whole body, or the problem that it is larger than `limit_bytes`.
pub(crate) async fn read_body(
    request: Request,
    limit_bytes: usize,
) -> Result<bytes::Bytes, Problem> {
    axum::body::to_bytes(request.into_body(), limit_bytes)
        .await
        .map_err(|error| {
            let error = error.to_string();
            if error.contains("length limit") {
                Problem::too_large(limit_bytes)
            } else {
                Problem::bad_request(format!("the body could not be read: {error}"))
            }
        })
}
