//! The disk of the logs is full. Apps go on, what was lost is counted and said, nothing is torn.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use mantyx_core::{AppState, ExecutionStatus};
use mantyx_test_support::{Builder, PATIENCE, TestMantyx, wait_until};
use rustix::process::geteuid;
use serde_json::json;

use super::privileges::NOBODY;
use super::scene::Scene;

/// Numbers its lines, of nearly a kilobyte each, and notes beside the log how far it is.
const TALKER: &str = r"
import itertools, os, time
beat = os.environ['APP_DATA_DIR'] + '/beat'
for n in itertools.count(1):
    print('line %06d %s|' % (n, 'z' * 900), flush=True)
    if n % 50 == 0:
        with open(beat + '.new', 'w') as file:
            file.write(str(n))
        os.rename(beat + '.new', beat)
    time.sleep(0.002)
";

/// How a folder is made one that cannot take more.
#[derive(Clone, Copy)]
enum Means {
    /// It is on a disk of its own that is nearly full: there is room for about 1000 lines.
    Disk,
    /// It is closed, for who may not mount a disk: there is room for none.
    Permissions,
}

impl Means {
    /// What this machine lets this user do. Even root may not mount anything in a container.
    fn found() -> Self {
        let probe = tempfile::tempdir().unwrap();
        if !geteuid().is_root() || !mount(probe.path()) {
            return Self::Permissions;
        }
        unmount(probe.path());
        Self::Disk
    }

    /// Nothing is closed to root, so then the daemon is somebody else.
    fn builder(self) -> Builder {
        match self {
            Self::Permissions if geteuid().is_root() => TestMantyx::builder().user(NOBODY),
            _ => TestMantyx::builder(),
        }
    }

    fn narrow(self, folder: PathBuf) -> Narrow {
        match self {
            Self::Disk => {
                assert!(mount(&folder), "what could be mounted before cannot be mounted now");
                fs::write(folder.join("ballast"), vec![0; 2 << 20]).unwrap();
            }
            Self::Permissions => fs::set_permissions(&folder, Permissions::from_mode(0o500)).unwrap(),
        }
        Narrow { means: self, folder }
    }
}

/// A folder that cannot take more.
struct Narrow {
    means: Means,
    folder: PathBuf,
}

impl Narrow {
    fn make_room(&self) {
        match self.means {
            Means::Disk => fs::remove_file(self.folder.join("ballast")).unwrap(),
            Means::Permissions => {
                fs::set_permissions(&self.folder, Permissions::from_mode(0o700)).unwrap();
            }
        }
    }
}

impl Drop for Narrow {
    fn drop(&mut self) {
        if let Means::Disk = self.means {
            unmount(&self.folder);
        }
    }
}

fn mount(folder: &Path) -> bool {
    let options = ["-t", "tmpfs", "-o", "size=3m,mode=0700", "tmpfs"];
    Command::new("mount").args(options).arg(folder).status().is_ok_and(|status| status.success())
}

/// Lazily: a daemon that is about to end may still look at it.
fn unmount(folder: &Path) {
    let _ = Command::new("umount").arg("--lazy").arg(folder).status();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_whose_log_has_no_room_goes_on_and_what_was_lost_is_said() {
    let means = Means::found();
    let scene = Scene::with(means.builder()).await;
    let name = scene.upload("talker", "perpetual", TALKER, json!({})).await;
    scene.client().install(&name).await.unwrap();
    let narrow = means.narrow(scene.logs(&name).await);
    scene.client().event(&name, "enable").await.unwrap();
    let pid = scene.pid(&name).await;
    let beat = scene.data(&name, "beat");
    let said = || fs::read_to_string(&beat).ok()?.parse::<u64>().ok();
    // Twice as many lines as there is room for.
    wait_until("the app to go on without a log", PATIENCE, async || said().filter(|said| *said >= 2000))
        .await;
    narrow.make_room();
    scene.line(&name, "missing: the log could not be written").await;
    let resumed = said().unwrap();
    wait_until("more lines", PATIENCE, async || {
        let newest = scene.lines(&name, "tail=1").await;
        numbers(&newest.last()?.text).first().filter(|number| **number > resumed + 50).map(drop)
    })
    .await;
    assert_eq!(scene.pid(&name).await, pid, "the app was started again");
    scene.client().event(&name, "stop").await.unwrap();
    assert_eq!(scene.client().app(&name).await.unwrap().state, AppState::Stopped);

    let run = scene.client().executions(&name).await.unwrap().remove(0);
    assert_eq!(run.status, ExecutionStatus::Cancelled);
    let text = scene.text(&name, None).await;
    let (kept, missing) = (numbers(&text), missing(&text));
    assert!(
        missing > 100 && run.dropped_lines == missing,
        "{missing} are said, {} counted",
        run.dropped_lines
    );
    assert!(kept.is_sorted_by(|one, next| one < next), "a line is there twice");
    assert_eq!(kept.len() as u64 + missing, *kept.last().unwrap(), "a line is neither there nor counted");
    scene.end().await;
    drop(narrow);
}

/// The numbers of the lines, each of which must be whole.
fn numbers(text: &str) -> Vec<u64> {
    let of_app = text.lines().filter_map(|line| line.split_once("line "));
    let whole = of_app.filter(|(_, line)| line.contains('z')).map(|(_, line)| {
        assert!(line.len() == 6 + 1 + 900 + 1 && line.ends_with('|'), "a torn line: {line}");
        line[..6].parse().unwrap()
    });
    whole.collect()
}

/// How many lines the log says are missing.
fn missing(text: &str) -> u64 {
    let notes = text.lines().filter_map(|line| line.split_once("[mantyx] "));
    notes.map(|(_, note)| note.split(' ').next().unwrap().parse::<u64>().unwrap()).sum()
}
