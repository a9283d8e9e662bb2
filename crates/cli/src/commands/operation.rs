//! Waiting for long work, with its log as it happens.

use futures_util::StreamExt;
use mantyx_api_types::{LogLine, OperationView};
use mantyx_core::{Code, Error, OperationStatus};

use crate::client::Client;
use crate::failure::{Failure, Result};
use crate::output::aside_log;

/// How long one request waits for the end, in seconds; then another one does.
const WAIT: u32 = 3600;

/// Prints the log of an operation on standard error until it ends.
pub(super) async fn watch(client: &Client, operation: &OperationView) -> Result<()> {
    let path = format!("/api/operations/{}/log", operation.id);
    let lines = client.follow(&path, &[("follow", "true".into())]).await?;
    let mut lines = std::pin::pin!(lines);
    while let Some(line) = lines.next().await {
        let line: LogLine = serde_json::from_str(&line?).map_err(|error| Failure::strange(&path, error))?;
        aside_log(&line.text)?;
    }
    Ok(())
}

/// Waits until an operation has ended. One that did not succeed is a failure.
pub(super) async fn finish(client: &Client, mut operation: OperationView) -> Result<OperationView> {
    let path = format!("/api/operations/{}", operation.id);
    while operation.status == OperationStatus::Running {
        operation = client.get(&path, &[("wait", WAIT.to_string())]).await?;
    }
    match (operation.status, operation.problem.take()) {
        (OperationStatus::Succeeded, _) => Ok(operation),
        (_, Some(problem)) => Err(Failure::Refused(Box::new(problem))),
        (status, None) => {
            let detail = format!("The operation on `{}` has {}", operation.app, status.as_str());
            Err(Failure::Local(Error::new(Code::Cancelled, detail)))
        }
    }
}
