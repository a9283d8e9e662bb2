//! Which logs are read, with a database of its own and no daemon.

use super::*;
use crate::logs::tests::row;
use chrono::Utc;
use mantyx_core::{Actor, ExecutionStatus};
use mantyx_logs::{LogWriter, Stream};
use mantyx_registry::Store;
use mantyx_registry::tables::executions::{Claim, Execution};
use std::time::SystemTime;
use tempfile::TempDir;

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
        let (layout, app) = (Layout::new(root.path()), AppId::generate());
        std::fs::create_dir_all(layout.logs(app)).unwrap();
        Self { _root: root, registry, layout, app }
    }

    /// So many executions with this status, the oldest first.
    async fn executions(&self, count: usize, status: ExecutionStatus) -> Vec<ExecutionId> {
        let rows: Vec<Execution> = (0..count).map(|_| row(self.app, status)).collect();
        let ids = rows.iter().map(|row| row.id.0).collect();
        let insert = move |change: &mut mantyx_registry::Change<'_, '_>| {
            for row in &rows {
                assert_eq!(executions::insert(change, row)?, Claim::Won);
            }
            Ok(())
        };
        self.registry.change(&Actor::Mantyx, insert).await.unwrap();
        ids
    }

    fn say(&self, id: ExecutionId, text: &str) {
        let mut log = LogWriter::open(launch::log_path(&self.layout, self.app, id)).unwrap();
        log.write(Stream::Stdout, SystemTime::now(), format!("{text}\n").as_bytes()).unwrap();
    }

    async fn past(&self) -> Past {
        let executions = Executions::of(&self.registry, &self.layout, self.app, None).await.unwrap();
        Past::Executions(executions)
    }

    async fn last(&self, lines: usize) -> Vec<String> {
        let files = self.past().await.last(lines, &Filter::default()).await.unwrap();
        read(files).await
    }
}

async fn read(files: impl IntoIterator<Item = Source>) -> Vec<String> {
    let mut texts = Vec::new();
    for mut file in files {
        while !file.is_done() {
            let lines = file.read(&Filter::default()).await.unwrap();
            texts.extend(lines.into_iter().map(|line| String::from_utf8(line.text).unwrap()));
        }
    }
    texts
}

#[tokio::test]
async fn the_last_lines_are_those_of_the_newest_executions() {
    let world = World::new();
    let ids = world.executions(200, ExecutionStatus::Success).await;
    for (n, id) in ids.iter().enumerate().filter(|(n, _)| n % 2 == 0) {
        world.say(*id, &format!("{n} one\n{n} two"));
    }
    let all: Vec<String> =
        (0..200).step_by(2).flat_map(|n| [format!("{n} one"), format!("{n} two")]).collect();
    // Within one page, over several, and all.
    for lines in [0, 1, 3, 10, 150, 200, 1000] {
        assert_eq!(world.last(lines).await, all[all.len().saturating_sub(lines)..]);
    }
    assert_eq!(read(world.past().await.all().await.unwrap()).await, all);
}

/// What nobody knows of is found only by going through the folder.
#[tokio::test]
async fn no_folder_is_listed_for_a_few_lines() {
    let world = World::new();
    let ids = world.executions(3, ExecutionStatus::Success).await;
    world.say(ids[1], "known");
    world.say(row(world.app, ExecutionStatus::Success).id.0, "unknown");
    assert_eq!(world.last(10).await, ["known"]);
}

#[tokio::test]
async fn what_was_said_before_thousands_of_silent_runs_is_found() {
    let world = World::new();
    let old = world.executions(2, ExecutionStatus::Success).await;
    world.say(old[0], "long ago\nthe last words");
    let silent = world.executions(LISTED_AFTER + 1, ExecutionStatus::Success).await;
    world.say(silent[0], "a word");
    assert_eq!(world.last(2).await, ["the last words", "a word"]);
}

#[tokio::test]
async fn who_lives_is_followed_however_old_and_whatever_it_said() {
    let world = World::new();
    let old = world.executions(2, ExecutionStatus::Running).await;
    world.say(old[0], "old");
    let newer = world.executions(100, ExecutionStatus::Success).await;
    world.say(newer[99], "new");
    let files = world.past().await.last(1, &Filter::default()).await.unwrap();
    let followed: Vec<_> = files.iter().filter(|file| file.after == After::Following).collect();
    assert_eq!(followed.iter().filter_map(|file| execution(file)).collect::<Vec<_>>(), old);
    assert!(followed[0].end().offset > 0, "it goes on behind what was said");
    assert_eq!(read(files).await, ["new"]);
}

#[test]
fn the_id_says_what_begins_too_late() {
    let (id, now) = (ExecutionId::generate(), Utc::now());
    assert!(!begins_after(id, now + TimeDelta::minutes(1)));
    assert!(!begins_after(id, now - TimeDelta::minutes(50)), "the clock may have been set back");
    assert!(begins_after(id, now - TimeDelta::minutes(70)));
    assert!(!begins_after(id, DateTime::<Utc>::MAX_UTC));
}
