//! The steps of an operation as they are taken: a line for each that has ended, and on a terminal, below all lines,
//! what is being done now.

use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::ProgressBar;
use mantyx_api_types::{OperationView, StepView};
use mantyx_core::{OperationStatus, StepStatus};

use crate::failure::Result;
use crate::output::{Kept, aside, aside_log, printable};

/// Between two pictures of what turns while something is being done.
const TURN: Duration = Duration::from_millis(100);

/// Standard error while an operation is told of.
pub(super) struct Screen(ProgressBar);

impl Screen {
    pub(super) fn open() -> Self {
        if !std::io::stderr().is_terminal() {
            return Self(ProgressBar::hidden());
        }
        let bar = ProgressBar::new_spinner();
        bar.enable_steady_tick(TURN);
        Self(bar)
    }

    /// A line that stays.
    pub(super) fn line(&self, text: &str) -> Result<()> {
        self.0.suspend(|| aside(text))
    }

    /// A line of a log, which stays too.
    pub(super) fn log(&self, text: &str) -> Result<()> {
        self.0.suspend(|| aside_log(text))
    }

    /// What is being done now.
    pub(super) fn doing(&self, operation: &OperationView) {
        self.0.set_message(printable(&doing(operation), Kept::Nothing));
    }
}

impl Drop for Screen {
    /// What comes next is no part of it.
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// What was said of each step.
#[derive(Debug, Default)]
pub(super) struct Told(Vec<Option<String>>);

impl Told {
    /// What is to be said now: steps were taken in their order, and are undone from the last one on.
    pub(super) fn news(&mut self, operation: &OperationView) -> Vec<String> {
        self.0.resize(operation.steps.len().max(self.0.len()), None);
        let (mut taken, mut undone) = (Vec::new(), Vec::new());
        for (step, told) in operation.steps.iter().zip(&mut self.0) {
            let sentence = sentence(step, operation);
            if sentence.is_none() || sentence == *told {
                continue;
            }
            let lines = if step.status == StepStatus::Undone { &mut undone } else { &mut taken };
            lines.extend(sentence.clone());
            *told = sentence;
        }
        taken.extend(undone.into_iter().rev());
        taken
    }
}

/// How a step ended, or why it is not undone yet.
fn sentence(step: &StepView, operation: &OperationView) -> Option<String> {
    let title = &step.title;
    // Why the operation fails is said at its end.
    let why = operation.problem.as_ref().map(|problem| problem.detail.as_str());
    let detail = step.detail.as_deref().filter(|detail| Some(*detail) != why);
    match (step.status, detail) {
        (StepStatus::Pending | StepStatus::Running, _) => None,
        (StepStatus::Undone, _) => Some(format!("{title}: undone")),
        (StepStatus::Done, None) => Some(title.clone()),
        (StepStatus::Failed, None) => Some(format!("{title}: failed")),
        (StepStatus::Done | StepStatus::Failed, Some(detail)) => Some(format!("{title}: {detail}")),
    }
}

fn doing(operation: &OperationView) -> String {
    let (all, running) =
        (operation.steps.len(), operation.steps.iter().position(|step| step.status == StepStatus::Running));
    match (operation.status, running.and_then(|at| Some((at + 1, operation.steps.get(at)?)))) {
        (OperationStatus::Running, Some((at, step))) => format!("Step {at} of {all}: {}", step.title),
        (OperationStatus::Running, None) if operation.problem.is_some() => "Undoing what was done".to_owned(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// An operation with steps of these titles, statuses and details.
    fn operation(status: &str, problem: Option<&str>, steps: &[(&str, &str, Option<&str>)]) -> OperationView {
        let id = "01990000-0000-7000-8000-000000000000";
        let step = |(title, status, detail): &(&str, &str, Option<&str>)| {
            json!({
                "name": "x", "title": title, "status": status, "detail": detail,
                "started_at": null, "finished_at": null
            })
        };
        let problem = problem
            .map(|why| json!({"type": "", "title": "", "status": 422, "detail": why, "code": "invalid"}));
        serde_json::from_value(json!({
            "id": id, "kind": "update", "app_id": id, "app": "weather", "status": status, "cancellable": false,
            "steps": steps.iter().map(step).collect::<Vec<Value>>(), "problem": problem,
            "started_at": "2026-01-01T00:00:00Z", "finished_at": null
        }))
        .unwrap()
    }

    #[test]
    fn each_step_is_told_once_when_it_has_ended() {
        let mut told = Told::default();
        let built = Some("Built by uv 0.9.1, 31 packages");
        let first = [("Place", "done", None), ("Build", "running", None), ("Stop", "pending", None)];
        let first = operation("running", None, &first);
        assert_eq!(told.news(&first), ["Place"]);
        assert_eq!(doing(&first), "Step 2 of 3: Build");
        assert!(told.news(&first).is_empty());
        let all = [("Place", "done", None), ("Build", "done", built), ("Stop", "done", None)];
        let all = operation("succeeded", None, &all);
        assert_eq!(told.news(&all), ["Build: Built by uv 0.9.1, 31 packages", "Stop"]);
        assert_eq!(doing(&all), "");
    }

    #[test]
    fn what_is_undone_is_told_from_the_last_step_on() {
        let mut told = Told::default();
        let failed = ("Watch", "failed", Some("It is not well"));
        let began = [("Place", "done", None), ("Start", "done", None), failed];
        let began = operation("running", Some("It is not well"), &began);
        assert_eq!(told.news(&began), ["Place", "Start", "Watch: failed"], "why is said at the end");
        assert_eq!(doing(&began), "Undoing what was done");
        let late = ("Start", "done", Some("Could not be undone yet: No"));
        let late = operation("running", Some("It is not well"), &[("Place", "done", None), late, failed]);
        assert_eq!(told.news(&late), ["Start: Could not be undone yet: No"]);
        let undone = [("Place", "undone", None), ("Start", "undone", None), failed];
        let undone = operation("failed", Some("It is not well"), &undone);
        assert_eq!(told.news(&undone), ["Start: undone", "Place: undone"]);
    }
}
