//! How long work is answered: `202` with an operation to watch, or its end where the client waits for it.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::header::LOCATION;
use mantyx_api_types::OperationView;
use mantyx_core::OperationStatus;
use mantyx_operations::Mantyx;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::problem::{self, Answer};

/// The longest that an answer is held: proxies and clients give up around there anyway.
const LONGEST: Duration = Duration::from_secs(3600);

/// Whether the answer waits for the end of the work.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct WaitQuery {
    /// Hold the answer for this many seconds, or until the operation ends.
    pub(crate) wait: Option<u32>,
}

/// How long to hold an answer.
pub(crate) fn at_most(wait: Option<u32>) -> Option<Duration> {
    wait.map(|seconds| Duration::from_secs(seconds.into()).min(LONGEST))
}

/// Answers with an operation that was just begun.
pub(crate) async fn answer(mantyx: &Mantyx, begun: OperationView, wait: Option<u32>) -> Answer {
    let operation = match at_most(wait) {
        Some(at_most) => mantyx.wait_operation(begun.id, at_most).await?,
        None => return Ok(accepted(&begun)),
    };
    Ok(match (operation.status, &operation.problem) {
        (OperationStatus::Running, _) => accepted(&operation),
        (OperationStatus::Failed | OperationStatus::Cancelled, Some(problem)) => problem::respond(problem),
        _ => HttpResponse::Ok().insert_header((LOCATION, location(&operation))).json(operation),
    })
}

fn accepted(operation: &OperationView) -> HttpResponse {
    HttpResponse::Accepted().insert_header((LOCATION, location(operation))).json(operation)
}

fn location(operation: &OperationView) -> String {
    format!("/api/operations/{}", operation.id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_holds_an_answer_for_ever() {
        assert_eq!(at_most(None), None);
        assert_eq!(at_most(Some(5)), Some(Duration::from_secs(5)));
        assert_eq!(at_most(Some(u32::MAX)), Some(LONGEST));
    }
}
