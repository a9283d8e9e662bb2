//! A scenario, cut short at one point after the other on the same root.

use std::fmt::Display;
use std::os::unix::process::ExitStatusExt as _;
use std::time::Duration;

use mantyx_test_support::{Builder, PATIENCE, TestMantyx};
use rustix::process::Signal;
use serde_json::Value;

use super::picture::Picture;
use super::point::{self, Point};
use super::scenarios::Scenario;
use super::stage::Stage;

/// How large a disk is that is filled, in megabytes.
const SMALL: u32 = 64;
/// How many moments of one operation a daemon is killed at, and how far they lie apart: the last come after its end.
const MOMENTS: u32 = 20;
const BETWEEN_MOMENTS: Duration = Duration::from_millis(30);

/// The daemon is killed at each act, and the next one carries the saga on or undoes it.
pub(super) async fn killed_on_the_way<S: Scenario>() {
    let mut trial = Trial::<S>::begin(TestMantyx::builder()).await;
    for point in point::forth(S::KIND) {
        trial.kill(&point, &format!("kill@{point}")).await;
        let expected = match S::is_carried_on(&point.step) {
            true => End::Done,
            // What is still missing is made anew as soon as somebody looks.
            false if S::LEAVES_BROKEN => End::AsItMay,
            false => End::Undone("interrupted"),
        };
        trial.judge(&point, expected, PATIENCE).await;
    }
    trial.end().await;
}

/// The saga fails at its end, and the daemon is killed at each undo.
pub(super) async fn killed_on_the_way_back<S: Scenario>() {
    let mut trial = Trial::<S>::begin(TestMantyx::builder()).await;
    let last = point::last_that_fails(S::KIND, S::can_fail);
    for point in point::back(S::KIND) {
        trial.kill(&point, &format!("fail@{last};kill@{point}")).await;
        trial.judge(&point, End::Undone("A test made"), PATIENCE).await;
    }
    trial.end().await;
}

/// The daemon is killed in the middle of whatever it is doing, a little later each time.
pub(super) async fn killed_at_any_moment<S: Scenario>() {
    let mut trial = Trial::<S>::begin(TestMantyx::builder()).await;
    for delay in (0..MOMENTS).map(|moment| moment * BETWEEN_MOMENTS) {
        let moment = format!("{delay:?} after the beginning");
        let _here = Here(&moment);
        trial.prepare().await;
        trial.ask(&moment).await;
        // Not to wait for anything: whatever is under way then is what dies.
        tokio::time::sleep(delay).await;
        trial.stage.restart(None).await;
        trial.judge(&moment, End::AsItMay, PATIENCE).await;
    }
    trial.end().await;
}

/// Each act fails, one after the other, with one daemon.
pub(super) async fn failed<S: Scenario>() {
    let mut trial = Trial::<S>::begin(TestMantyx::builder()).await;
    let points = point::forth(S::KIND);
    let last = point::last_that_fails(S::KIND, S::can_fail);
    let until = points.iter().position(|point| *point == last).unwrap();
    let orders: Vec<String> = points[..=until].iter().map(|point| format!("fail@{point}")).collect();
    trial.stage.restart(Some(&orders.join(";"))).await;
    for point in &points[..=until] {
        trial.prepare().await;
        trial.ask(point).await;
        trial.judge(point, End::Undone("A test made"), PATIENCE).await;
    }
    trial.end().await;
}

/// A step panics when it is done and so does an undo, and all is undone nevertheless. What is left to do when everything
/// is in use fails and panics, and is done nevertheless.
pub(super) async fn panicked<S: Scenario>(acted: &str, undoing: &str, tidying: &str) {
    let mut trial = Trial::<S>::begin(TestMantyx::builder()).await;
    let point = |step: &str| format!("{}/{step}", S::KIND);
    for (orders, end) in [
        (
            format!("panic@{};panic@{}", point(acted), point(undoing)),
            End::Undone("Could not finish the work"),
        ),
        (format!("fail@{0}/before;panic@{0}/acted", point(tidying)), End::Done),
    ] {
        trial.prepare().await;
        trial.stage.restart(Some(&orders)).await;
        trial.ask(&orders).await;
        trial.judge(&orders, end, PATIENCE).await;
    }
    trial.end().await;
}

/// The disk is full at each act, for a while.
pub(super) async fn full<S: Scenario>() {
    let mut trial = Trial::<S>::begin(TestMantyx::builder().disk(SMALL)).await;
    for point in point::forth(S::KIND) {
        trial.prepare().await;
        trial.stage.restart(Some(&format!("full@{point}"))).await;
        trial.ask(&point).await;
        trial.stage.full_for_a_while().await;
        let end = if S::can_fail(&point.step) { End::Either("no space") } else { End::Done };
        trial.judge(&point, end, PATIENCE).await;
    }
    trial.end().await;
}

/// How an operation that was cut short has to end.
enum End {
    Done,
    /// With a problem that says this.
    Undone(&'static str),
    Either(&'static str),
    AsItMay,
}

struct Trial<S> {
    stage: Stage,
    scenario: S,
    /// The app before the operation.
    before: Value,
}

impl<S: Scenario> Trial<S> {
    async fn begin(builder: Builder) -> Self {
        let mut stage = Stage::begin(builder).await;
        let scenario = S::begin(&mut stage).await;
        Self { stage, scenario, before: Value::Null }
    }

    /// The operation can be asked for, and everything is in order.
    async fn prepare(&mut self) {
        self.scenario.prepare(&mut self.stage).await;
        self.before = self.stage.look().app(self.scenario.app());
    }

    async fn ask(&mut self, point: &dyn Display) {
        let asked = self.scenario.ask(&mut self.stage).await;
        // The daemon may die before it answers.
        let refused = asked.err().filter(|refusal| refusal.status != 0);
        assert!(refused.is_none(), "{point}: {refused:?}");
    }

    /// Has the daemon kill itself by these orders, and starts one without.
    async fn kill(&mut self, point: &Point, orders: &str) {
        let _here = Here(point);
        self.prepare().await;
        self.stage.restart(Some(orders)).await;
        self.ask(point).await;
        let ended = self.stage.mantyx().ended().await;
        assert_eq!(ended.signal(), Some(Signal::ABORT.as_raw()), "{point}: {ended}");
        self.stage.restart(None).await;
    }

    /// Everything is in order, and the app is as it was or as the operation makes it.
    async fn judge(&mut self, point: &dyn Display, end: End, patience: Duration) {
        let _here = Here(point);
        let picture = self.stage.settled(patience).await;
        let (mut expected, operation) = (self.before.clone(), picture.operation());
        assert!(operation.is(S::KIND), "{point}: another operation came between");
        operation.assert_consistent();
        let (succeeded, problem) = (operation.succeeded(), operation.problem());
        match end {
            End::Done => assert!(succeeded, "{point}: it was not carried on: {problem}"),
            End::AsItMay => {}
            End::Undone(why) => assert!(!succeeded && problem.contains(why), "{point}: {problem}"),
            End::Either(why) => {
                assert!(succeeded || problem.to_lowercase().contains(why), "{point}: {problem}");
            }
        }
        // What is meant to be broken is not waited for.
        if !succeeded && S::LEAVES_BROKEN {
            return self.prepare().await;
        }
        if succeeded {
            self.scenario.done(&mut expected);
        } else {
            self.scenario.undone(&mut expected, &problem);
        }
        let picture = self.stage.tidied(picture).await;
        self.assert_is(&picture, &expected).await;
    }

    async fn assert_is(&self, picture: &Picture, expected: &Value) {
        self.stage.assert_in_order(picture, self.scenario.app()).await;
        assert_eq!(&picture.app(self.scenario.app()), expected);
    }

    /// After all that, the operation still succeeds.
    async fn end(mut self) {
        self.prepare().await;
        self.scenario.ask(&mut self.stage).await.unwrap();
        let picture = self.stage.settled(PATIENCE).await;
        let picture = self.stage.tidied(picture).await;
        assert!(picture.operation().succeeded(), "{}", picture.operation().problem());
        let mut expected = self.before.clone();
        self.scenario.done(&mut expected);
        self.assert_is(&picture, &expected).await;
        self.stage.scene.end().await;
    }
}

/// Says where it was when a trial fails.
struct Here<'a>(&'a dyn Display);

impl Drop for Here<'_> {
    #[allow(clippy::print_stderr, reason = "what fails may be a look that knows of no point")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("It was cut short at `{}`.", self.0);
        }
    }
}
