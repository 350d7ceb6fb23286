//! `/api/v1/streams`: create, list, inspect, change, stop; and each stream's connections and metrics.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use datachannel_transport::GoodbyeCode;
use http::{StatusCode, header};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Instant;

use super::problem::{JsonBody, Problem};
use super::routes::App;
use crate::model::params::{CreateStream, PatchStream, StreamChange, StreamParams};
use crate::model::registry::CreateError;
use crate::model::snapshot;
use crate::model::stream::Stream;

/// The stream of that id, or the problem that there is none.
pub(super) fn find(app: &App, id: &str) -> Result<Arc<Stream>, Problem> {
    app.registry.get(id).ok_or_else(|| {
        let known: Vec<String> = app
            .registry
            .list()
            .iter()
            .take(8)
            .map(|stream| stream.id.clone())
            .collect();
        let known = if known.is_empty() {
            "none runs now".to_owned()
        } else {
            format!("running: {}", known.join(", "))
        };
        Problem::not_found(format!("no stream has the id {id:?}; {known}"))
    })
}

pub(super) async fn list(State(app): State<App>) -> Json<Value> {
    let streams: Vec<_> = app
        .registry
        .list()
        .iter()
        .map(|stream| snapshot::describe(stream))
        .collect();
    Json(json!({ "streams": streams }))
}

pub(super) async fn create(
    State(app): State<App>,
    JsonBody(request): JsonBody<CreateStream>,
) -> Result<Response, Problem> {
    let by_cid = request.cid.is_some();
    let params = StreamParams::try_from(request)?;
    let stream = app
        .registry
        .create(params)
        .await
        .map_err(|error| cannot_create(error, by_cid))?;
    let location = format!("/api/v1/streams/{}", stream.id);
    let body = Json(snapshot::describe(&stream));
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], body).into_response())
}

fn cannot_create(error: CreateError, by_cid: bool) -> Problem {
    match error {
        CreateError::Source(error) => Problem::about_field(
            if by_cid { "cid" } else { "uri" },
            "source",
            "The source cannot be played",
            error,
        ),
        CreateError::Buffer(error) => Problem::about_field(
            "buffer_size",
            "out-of-range",
            "A parameter cannot be taken",
            error,
        ),
        error @ CreateError::TooMany => Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "too-many-streams",
            "Too many streams",
            error.to_string(),
        ),
        error @ CreateError::Thread(_) => Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "no-thread",
            "Out of threads",
            error.to_string(),
        ),
    }
}

pub(super) async fn inspect(
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let stream = find(&app, &id)?;
    Ok(Json(snapshot::describe(&stream)).into_response())
}

pub(super) async fn change(
    State(app): State<App>,
    Path(id): Path<String>,
    JsonBody(request): JsonBody<PatchStream>,
) -> Result<Response, Problem> {
    let stream = find(&app, &id)?;
    let change = StreamChange::try_from(request)?;
    stream.change(change).map_err(|error| {
        Problem::about_field(
            "buffer_size",
            "out-of-range",
            "A parameter cannot be taken",
            error,
        )
    })?;
    Ok(Json(snapshot::describe(&stream)).into_response())
}

pub(super) async fn remove(
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    find(&app, &id)?;
    app.registry.delete(&id, GoodbyeCode::StreamDeleted).await;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn connections(
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let stream = find(&app, &id)?;
    let viewers = snapshot::viewers(&stream, Instant::now()).await;
    Ok(Json(json!({ "connections": viewers })))
}

pub(super) async fn close_connection(
    State(app): State<App>,
    Path((id, viewer)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let stream = find(&app, &id)?;
    super::whep::close_viewer(
        &stream,
        &viewer,
        "the connection was closed by the operator",
    )
    .await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn metrics(
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let stream = find(&app, &id)?;
    Ok(Json(snapshot::metrics(&stream, Instant::now()).await).into_response())
}
