//! Following, with a database of its own and no daemon.

use super::*;
use crate::logs::tests::row;
use mantyx_core::{Actor, AppName};
use mantyx_logs::{Case, LogWriter, Pattern, Stream, Syntax};
use mantyx_registry::tables::executions::{Claim, Finish};
use mantyx_registry::{Change, Json, Store, Word};
use std::time::SystemTime;
use tempfile::TempDir;

const EVERYTHING: Filter = Filter { since: None, until: None, stream: None, search: None };

/// A database and a folder for logs, with executions as the daemon would have them.
struct World {
    _root: TempDir,
    registry: Registry,
    layout: Layout,
    app: AppId,
}

impl World {
    fn new() -> Self {
        let root = TempDir::new().unwrap();
        let registry = Registry::new(Store::open(&root.path().join("mantyx.db")).unwrap());
        let layout = Layout::new(root.path());
        Self { _root: root, registry, layout, app: AppId::generate() }
    }

    fn follow(&self, scope: Scope) -> Following {
        Following::new(scope, self.app, &self.registry, &self.layout)
    }

    async fn change(&self, work: impl FnOnce(&mut Change<'_, '_>) -> Result<()> + Send + 'static) {
        self.registry.change(&Actor::Mantyx, work).await.unwrap();
    }

    async fn begin(&self, app: AppId, name: &str) -> ExecutionId {
        let app_name = Word(AppName::parse(name).unwrap());
        let row = Execution { app_name, ..row(app, ExecutionStatus::Running) };
        let id = row.id.0;
        self.change(move |change| {
            assert_eq!(executions::insert(change, &row)?, Claim::Won);
            change.touch_execution(id);
            Ok(())
        })
        .await;
        id
    }

    async fn end(&self, id: ExecutionId) {
        let status = Word(ExecutionStatus::Success);
        let finished_at = Some(Utc::now());
        let finish = Finish {
            status,
            exit: None,
            ending: None,
            cause: None,
            last_lines: Json(Vec::new()),
            finished_at,
            cpu_seconds: None,
            peak_memory: None,
            dropped_lines: 0,
        };
        self.change(move |change| {
            executions::finish(change, id, &finish)?;
            change.touch_execution(id);
            Ok(())
        })
        .await;
    }

    fn say(&self, id: ExecutionId, text: &str) {
        let path = launch::log_path(&self.layout, self.app, id);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut writer = LogWriter::open(path).unwrap();
        writer.write(Stream::Stdout, SystemTime::now(), format!("{text}\n").as_bytes()).unwrap();
    }

    /// So many messages that whoever is listening misses some.
    fn chatter(&self) {
        (0..5000).for_each(|_| self.registry.tell(LiveMessage::AppGone { id: AppId::generate() }));
    }
}

async fn texts(following: &mut Following) -> Vec<String> {
    let next = tokio::time::timeout(Duration::from_secs(20), following.next(&EVERYTHING));
    let (_, lines) = next.await.unwrap().unwrap().unwrap_or_default();
    lines.into_iter().map(|line| String::from_utf8(line.text).unwrap()).collect()
}

#[tokio::test]
async fn a_new_execution_is_followed_and_let_go_once_it_is_read() {
    let world = World::new();
    let mut following = world.follow(Scope::App);
    let id = world.begin(world.app, "wiki").await;
    world.say(id, "one");
    assert_eq!(texts(&mut following).await, ["one"]);
    world.say(id, "two");
    world.end(id).await;
    assert_eq!(texts(&mut following).await, ["two"]);
    let next = world.begin(world.app, "wiki").await;
    world.say(next, "three");
    assert_eq!(texts(&mut following).await, ["three"]);
    assert_eq!(following.followed.len(), 1, "the first one is let go");
}

#[tokio::test]
async fn it_is_the_app_that_counts_and_not_its_name() {
    let world = World::new();
    let mut following = world.follow(Scope::App);
    let other = world.begin(AppId::generate(), "wiki").await;
    world.say(other, "of another app that was called so");
    let renamed = world.begin(world.app, "old-wiki").await;
    world.say(renamed, "ours");
    assert_eq!(texts(&mut following).await, ["ours"]);
    assert_eq!(following.followed.len(), 1);
}

#[tokio::test]
async fn a_beginning_and_an_end_that_were_missed_are_found() {
    let world = World::new();
    let mut following = world.follow(Scope::App);
    let short = world.begin(world.app, "wiki").await;
    world.say(short, "short");
    world.end(short).await;
    let long = world.begin(world.app, "wiki").await;
    world.chatter();
    assert_eq!(texts(&mut following).await, ["short"]);
    world.say(long, "long");
    assert_eq!(texts(&mut following).await, ["long"]);
    world.end(long).await;
    world.chatter();
    let last = world.begin(world.app, "wiki").await;
    world.say(last, "last");
    assert_eq!(texts(&mut following).await, ["last"]);
    assert_eq!(following.followed.len(), 1);
}

/// What was read by the last lines alone is not all that was seen.
#[tokio::test]
async fn what_ended_before_is_no_news_however_late_it_is_told() {
    let world = World::new();
    let old = world.begin(world.app, "wiki").await;
    world.say(old, "long ago");
    world.end(old).await;
    let mut following = world.follow(Scope::App);
    let touch = move |change: &mut Change<'_, '_>| {
        change.touch_execution(old);
        Ok(())
    };
    world.change(touch).await;
    let new = world.begin(world.app, "wiki").await;
    world.say(new, "new");
    assert_eq!(texts(&mut following).await, ["new"]);
    let mut late = world.follow(Scope::App);
    world.chatter();
    world.say(new, "and late");
    assert_eq!(texts(&mut late).await, ["new", "and late"]);
}

#[tokio::test]
async fn the_one_execution_ends_it_also_when_its_end_was_missed() {
    let world = World::new();
    let id = world.begin(world.app, "wiki").await;
    let whose = LogSource::Execution(id);
    let mut following = world.follow(Scope::One(whose));
    following.begin(id).await.unwrap();
    world.say(id, "last words");
    world.end(id).await;
    world.chatter();
    assert_eq!(texts(&mut following).await, ["last words"]);
    let end = tokio::time::timeout(Duration::from_secs(20), following.next(&EVERYTHING)).await;
    assert!(end.unwrap().unwrap().is_none());
}

#[tokio::test]
async fn a_busy_file_does_not_silence_another() {
    let world = World::new();
    let mut following = world.follow(Scope::App);
    let busy = world.begin(world.app, "wiki").await;
    let calm = world.begin(world.app, "wiki").await;
    (0..3).for_each(|_| world.say(busy, &"x".repeat(400_000)));
    world.say(calm, "heard");
    let mut before = 0;
    while texts(&mut following).await != ["heard"] {
        before += 1;
        world.say(busy, &"x".repeat(400_000));
    }
    assert!(before < 10, "{before} batches of the busy one came first");
}

#[tokio::test]
async fn who_wants_the_newest_is_told_what_was_passed_over_and_nobody_else_misses_a_line() {
    let world = World::new();
    let (mut newest, mut every) = (world.follow(Scope::App).at(Pace::Newest), world.follow(Scope::App));
    let id = world.begin(world.app, "wiki").await;
    let lines: Vec<String> = (0..60_000).map(|n| format!("{n:0100}")).collect();
    world.say(id, &lines.join("\n"));
    let mut seen = texts(&mut newest).await;
    let skipped = usize::try_from(newest.take_skipped()).unwrap();
    while skipped + seen.len() < lines.len() {
        seen.extend(texts(&mut newest).await);
    }
    assert!(skipped > 50_000, "{skipped}");
    assert_eq!(seen, lines[skipped..]);
    assert_eq!(newest.take_skipped(), 0);
    let mut seen = Vec::new();
    while seen.len() < lines.len() {
        seen.extend(texts(&mut every).await);
    }
    assert_eq!((seen, every.take_skipped()), (lines, 0));
}

#[tokio::test]
async fn a_place_behind_what_was_passed_over_begins_there() {
    let world = World::new();
    let mut following = world.follow(Scope::App).at(Pace::Newest);
    let id = world.begin(world.app, "wiki").await;
    let lines: Vec<String> = (0..60_000).map(|n| format!("{n:0100}")).collect();
    world.say(id, &lines.join("\n"));
    let next = tokio::time::timeout(Duration::from_secs(20), following.next(&EVERYTHING));
    let (start, lines) = next.await.unwrap().unwrap().unwrap();
    assert!(following.take_skipped() > 50_000);
    let path = launch::log_path(&world.layout, world.app, id);
    let mut there = Follower::new(path, start).unwrap();
    assert_eq!(there.read().await.unwrap()[0].text, lines[0].text);
}

#[tokio::test]
async fn a_place_in_a_later_segment_is_not_at_the_end_of_the_one_before() {
    let world = World::new();
    let mut following = world.follow(Scope::App);
    let id = world.begin(world.app, "wiki").await;
    world.say(id, "one");
    assert_eq!(texts(&mut following).await, ["one"]);
    let log = launch::log_path(&world.layout, world.app, id);
    let mut writer = LogWriter::open(mantyx_logs::Segment::new(&log, 1).plain()).unwrap();
    writer.write(Stream::Stdout, SystemTime::now(), b"two\n").unwrap();
    let next = tokio::time::timeout(Duration::from_secs(20), following.next(&EVERYTHING));
    let (start, lines) = next.await.unwrap().unwrap().unwrap();
    assert_eq!((start, lines[0].text.as_slice()), (Position { segment: 1, offset: 0 }, &b"two"[..]));
    // Where only a remark stands that Mantyx makes up, nothing of what is behind it was read.
    let (end, later) = (Position { segment: 1, offset: 9 }, Position { segment: 3, offset: 0 });
    assert_eq!(start_of_portion(end, later), end);
}

#[tokio::test]
async fn only_what_matches_comes_and_the_end_is_not_missed() {
    let world = World::new();
    let mut following = world.follow(Scope::App);
    let search = Some(Pattern::new("wanted", Syntax::Literal, Case::Sensitive).unwrap());
    let filter = Filter { search, ..EVERYTHING };
    let id = world.begin(world.app, "wiki").await;
    // More than one batch without a match before the last line.
    world.say(id, &"no\n".repeat(20_000));
    world.say(id, "wanted");
    world.end(id).await;
    let lines = tokio::time::timeout(Duration::from_secs(20), following.next(&filter)).await;
    let texts: Vec<_> = lines.unwrap().unwrap().unwrap().1.into_iter().map(|line| line.text).collect();
    assert_eq!(texts, [b"wanted"]);
}

#[test]
fn what_was_seen_long_ago_is_not_new() {
    let ids: Vec<_> = (0..Seen::REMEMBERED + 5).map(|_| ExecutionId::generate()).collect();
    let mut seen = Seen::default();
    seen.extend(ids.iter().copied());
    assert_eq!(seen.ids.len(), Seen::REMEMBERED);
    assert!(ids.into_iter().all(|id| !seen.insert(id)));
    assert!(seen.insert(ExecutionId::generate()));
}

#[tokio::test]
async fn a_follower_ends_when_its_last_instant_has_passed() {
    let world = World::new();
    let mut following = world.follow(Scope::App);
    let id = world.begin(world.app, "wiki").await;
    world.say(id, "in time");
    let soon = Filter { until: Some(Utc::now() + Duration::from_millis(300)), ..EVERYTHING };
    let mut seen = Vec::new();
    let all = async {
        while let Some((_, lines)) = following.next(&soon).await.unwrap() {
            seen.extend(lines.into_iter().map(|line| String::from_utf8(line.text).unwrap()));
        }
    };
    tokio::time::timeout(Duration::from_secs(20), all).await.unwrap();
    assert_eq!(seen, ["in time"]);
    assert!(has_passed(soon.until.unwrap()));
    // What comes too late does not keep it, though its execution lives.
    world.say(id, "too late");
    assert!(following.next(&soon).await.unwrap().is_none());
}
