//! What a Mantyx looks like from outside: its database and its folders, looked at without it.

use std::path::Path;
use std::process::Command;

use mantyx_core::AppId;
use serde_json::Value;

/// All that there is under a root at one moment.
pub(super) struct Picture(Value);

impl Picture {
    /// Looks at a root. The daemon need not be alive.
    pub(super) fn of(root: &Path) -> Self {
        Self::taken(root).unwrap_or_else(|said| panic!("`{}` could not be looked at: {said}", root.display()))
    }

    /// The same, or what was gone before it could be looked at.
    pub(super) fn taken(root: &Path) -> Result<Self, String> {
        let look =
            Command::new("python3").args(["-c", include_str!("picture.py")]).arg(root).output().unwrap();
        if !look.status.success() {
            return Err(String::from_utf8_lossy(&look.stderr).into_owned());
        }
        Ok(Self(serde_json::from_slice(&look.stdout).unwrap()))
    }

    /// Whether every row has its files, whole, and every file its row.
    pub(super) fn is_in_order(&self) -> bool {
        ["missing", "debris", "wrong"].iter().all(|what| self.0[what].as_array().unwrap().is_empty())
    }

    /// What people see of an app, and the files that it has written; null when it is gone.
    pub(super) fn app(&self, id: AppId) -> Value {
        self.0["apps"][id.to_string()].clone()
    }

    /// The newest operation.
    pub(super) fn operation(&self) -> Operation<'_> {
        Operation { row: &self.0["operation"], steps: self.0["steps"].as_array().unwrap() }
    }

    /// Whether an operation is under way.
    pub(super) fn is_busy(&self) -> bool {
        !self.0["under_way"].as_array().unwrap().is_empty()
    }

    /// Files that speak of executions that are over. They go a moment after the end is written down.
    pub(super) fn leftovers(&self) -> &[Value] {
        self.0["over"].as_array().unwrap()
    }

    /// Every row has its files, whole, and every file its row.
    pub(super) fn assert_in_order(&self) {
        for what in ["missing", "debris", "wrong"] {
            assert!(self.0[what].as_array().unwrap().is_empty(), "{what}: {:#}\n{:#}", self.0[what], self.0);
        }
    }
}

/// An operation with its steps.
pub(super) struct Operation<'a> {
    row: &'a Value,
    steps: &'a [Value],
}

impl Operation<'_> {
    pub(super) fn is(&self, kind: &str) -> bool {
        self.row["kind"] == kind
    }

    pub(super) fn succeeded(&self) -> bool {
        self.row["status"] == "succeeded"
    }

    /// Why it failed, with the code.
    pub(super) fn problem(&self) -> String {
        self.row["problem"].as_str().unwrap_or_default().to_owned()
    }

    /// It is over, and its steps say the same as its end.
    pub(super) fn assert_consistent(&self) {
        let statuses: Vec<&str> = self.steps.iter().map(|step| step["status"].as_str().unwrap()).collect();
        let shown = format!("{:#}: {:#?}", self.row, self.steps);
        if self.succeeded() {
            assert!(statuses.iter().all(|status| *status == "done"), "{shown}");
            assert!(self.row["problem"].is_null(), "{shown}");
            return;
        }
        assert_eq!(self.row["status"], "failed", "{shown}");
        let failed = statuses.iter().position(|status| *status == "failed");
        let failed = failed.unwrap_or_else(|| panic!("no step says that it failed: {shown}"));
        let (before, after) = (&statuses[..failed], &statuses[failed + 1..]);
        assert!(before.iter().all(|status| matches!(*status, "done" | "undone")), "{shown}");
        assert!(after.iter().all(|status| *status == "pending"), "{shown}");
        let problem: Value = serde_json::from_str(&self.problem()).unwrap();
        assert_eq!(problem["detail"], self.steps[failed]["detail"], "{shown}");
    }
}
