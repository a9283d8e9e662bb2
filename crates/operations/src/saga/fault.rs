//! Where a test makes the daemon die, fail or run out of disk: at every step of every saga.
//!
//! `_MANTYX_FAULT` holds orders such as `kill@update/stop/before`, several of them between `;`. Only builds with debug
//! assertions listen to it.

use mantyx_core::{OperationKind, Result};

use super::{ALL, Task};

/// A moment of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// It is written down that the step begins.
    Before,
    /// The act is done, which is not written down yet.
    Acted,
    /// The undo is about to begin.
    Undoing,
    /// The undo is done, which is not written down yet.
    Undone,
}

impl Moment {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::Acted => "acted",
            Self::Undoing => "undoing",
            Self::Undone => "undone",
        }
    }
}

/// Every place at which a saga can be made to fail: `update/stop/before`.
#[must_use]
pub fn fault_points() -> Vec<String> {
    let mut points = Vec::new();
    for saga in ALL {
        for (step, undoable) in saga.steps() {
            let there = [Moment::Before, Moment::Acted];
            let back = [Moment::Undoing, Moment::Undone].into_iter().filter(|_| undoable);
            points.extend(there.into_iter().chain(back).map(|moment| name(saga.kind(), step, moment)));
        }
    }
    points
}

fn name(kind: OperationKind, step: &str, moment: Moment) -> String {
    format!("{}/{step}/{}", kind.as_str(), moment.as_str())
}

#[cfg(not(debug_assertions))]
#[allow(clippy::unnecessary_wraps, reason = "a build with debug assertions can fail here")]
pub(super) fn at(_: &Task, _: OperationKind, _: &str, _: Moment) -> Result<()> {
    Ok(())
}

#[cfg(debug_assertions)]
pub(super) fn at(task: &Task, kind: OperationKind, step: &str, moment: Moment) -> Result<()> {
    let here = name(kind, step, moment);
    orders::of(&here).try_for_each(|order| order.carry_out(task, &here))
}

#[cfg(debug_assertions)]
mod orders {
    //! What a test has ordered.

    use std::fs::File;
    use std::io::Write;
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicBool, Ordering};

    use mantyx_core::{Code, Error, Result};

    use super::Task;

    /// An order, which is carried out once.
    pub(super) struct Order {
        action: String,
        place: String,
        done: AtomicBool,
    }

    static ORDERS: LazyLock<Vec<Order>> = LazyLock::new(|| {
        let text = std::env::var("_MANTYX_FAULT").unwrap_or_default();
        let orders = text.split(';').filter_map(|order| order.split_once('@'));
        let order = |(action, place): (&str, &str)| Order {
            action: action.to_owned(),
            place: place.to_owned(),
            done: AtomicBool::new(false),
        };
        orders.map(order).collect()
    });

    /// The orders for a place.
    pub(super) fn of(place: &str) -> impl Iterator<Item = &'static Order> {
        ORDERS.iter().filter(move |order| order.place == place)
    }

    impl Order {
        pub(super) fn carry_out(&self, task: &Task, place: &str) -> Result<()> {
            if self.done.swap(true, Ordering::Relaxed) {
                return Ok(());
            }
            match self.action.as_str() {
                // Nothing is run or written any more, as if by SIGKILL.
                "kill" => std::process::abort(),
                "full" => fill(task),
                #[allow(clippy::panic, reason = "what is tested is that a panic is a failure like another")]
                "panic" => panic!("A test made `{place}` panic"),
                _ => Err(Error::new(Code::Internal, format!("A test made `{place}` fail"))),
            }
        }
    }

    /// A disk that a test fills has less room than this, in bytes.
    const SMALL: u64 = 512 * 1024 * 1024;

    /// Writes a file until nothing more can be written. The test removes it.
    fn fill(task: &Task) -> Result<()> {
        let path = task.layout().root().join("filler");
        let failed = |error| Error::io(format!("fill `{}`", path.display()), error);
        let mut file = File::create(&path).map_err(failed)?;
        let mut written = 0;
        for block in [1 << 16, 1 << 10, 1] {
            let zeros = vec![0; block];
            while written < SMALL && file.write_all(&zeros).is_ok() {
                written += block as u64;
            }
        }
        if written < SMALL { Ok(()) } else { Err(failed(std::io::ErrorKind::FileTooLarge.into())) }
    }
}
