//! The settings of a daemon that runs, which can change.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use mantyx_core::Result;

use crate::change::{Changed, Patch};
use crate::layers;
use crate::settings::Settings;

/// A handle on the settings of a daemon; clones are handles on the same.
#[derive(Clone, Debug)]
pub struct Live(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    now: RwLock<Arc<Settings>>,
    listeners: Mutex<Vec<Listener>>,
    /// Whose turn it is to change the file: who reads it must be the next who writes it.
    turn: Mutex<()>,
}

struct Listener(Box<dyn Fn(&Settings) + Send + Sync>);

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Listener")
    }
}

impl Live {
    /// A handle on these settings.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let (listeners, turn) = (Mutex::default(), Mutex::default());
        Self(Arc::new(Inner { now: RwLock::new(Arc::new(settings)), listeners, turn }))
    }

    /// The settings as they are now. Who does one thing in several steps asks once and does all with the answer.
    #[must_use]
    pub fn now(&self) -> Arc<Settings> {
        self.0.now.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Has this called with the new settings whenever a value has changed. It must neither block nor call back: waking
    /// somebody up is what it is for.
    pub fn on_change(&self, hear: impl Fn(&Settings) + Send + Sync + 'static) {
        lock(&self.0.listeners).push(Listener(Box::new(hear)));
    }

    /// Changes settings: in the file first, then for everybody who asks. `accept` says what is wrong with them that
    /// cannot be known here, before anything is written. `write` puts a file in place, whole or not at all; when it
    /// fails, everything is as it was. An empty patch takes over what was written into the file by hand. This waits for
    /// the disk.
    ///
    /// # Errors
    /// Those of [`Settings::change`], of reading the file, of `accept` and of `write`.
    pub fn change(
        &self,
        patch: &Patch,
        accept: impl FnOnce(&Settings) -> Result<()>,
        write: impl FnOnce(&Path, &str) -> Result<()>,
    ) -> Result<Vec<Changed>> {
        let _turn = lock(&self.0.turn);
        let now = self.now();
        let file = behind_links(now.layout().settings_file());
        let text = layers::text_of(&file)?;
        let change = now.change(&text, patch)?;
        accept(&change.settings)?;
        if change.text != text {
            write(&file, &change.text)?;
        }
        self.publish(change.settings, &change.changed);
        Ok(change.changed)
    }

    fn publish(&self, settings: Settings, changed: &[Changed]) {
        let settings = Arc::new(settings);
        *self.0.now.write().unwrap_or_else(PoisonError::into_inner) = settings.clone();
        if !changed.is_empty() {
            lock(&self.0.listeners).iter().for_each(|listener| (listener.0)(&settings));
        }
    }
}

/// The file itself, where people keep a link to it: a link that is written over would no longer be one.
fn behind_links(file: PathBuf) -> PathBuf {
    file.canonicalize().unwrap_or(file)
}

/// A panic elsewhere leaves nothing half done here.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;
    use std::sync::atomic::{AtomicU32, Ordering};

    use mantyx_core::{Code, Error};
    use serde_json::json;

    use super::*;

    fn running(folder: &Path) -> Live {
        fs::create_dir_all(folder.join("config")).unwrap();
        Live::new(Settings::load(Some(folder.into()), BTreeMap::new(), std::iter::empty()).unwrap())
    }

    fn kept(number: u32) -> Patch {
        Patch::from_iter([("releases_kept".to_owned(), json!(number))])
    }

    const ACCEPT: fn(&Settings) -> Result<()> = |_| Ok(());

    fn write(file: &Path, text: &str) -> Result<()> {
        fs::write(file, text).map_err(|error| Error::io("write", error))
    }

    #[test]
    fn everybody_hears_of_a_change_once_it_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let live = running(folder.path());
        let (heard, file) = (Arc::new(AtomicU32::new(0)), live.now().layout().settings_file());
        let ear = (heard.clone(), file.clone());
        live.on_change(move |settings| {
            assert!(fs::read_to_string(&ear.1).unwrap().contains("releases_kept"));
            ear.0.fetch_add(settings.releases_kept, Ordering::SeqCst);
        });
        assert_eq!(live.clone().change(&kept(7), ACCEPT, write).unwrap().len(), 1);
        assert_eq!((live.now().releases_kept, heard.load(Ordering::SeqCst)), (7, 7));
        let untouched = |_: &Path, _: &str| panic!("nothing has changed");
        assert!(live.change(&kept(7), ACCEPT, untouched).unwrap().is_empty());
        assert_eq!(heard.load(Ordering::SeqCst), 7);
    }

    #[test]
    fn what_cannot_be_written_does_not_hold() {
        let folder = tempfile::tempdir().unwrap();
        let live = running(folder.path());
        let full = |_: &Path, _: &str| Err(Error::new(Code::DiskFull, "No space is left"));
        assert_eq!(live.change(&kept(7), ACCEPT, full).unwrap_err().code(), Code::DiskFull);
        assert_eq!(live.now().releases_kept, 5);
    }

    #[test]
    fn what_others_refuse_is_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let live = running(folder.path());
        let refuse = |wanted: &Settings| {
            assert_eq!(wanted.backup_schedule.as_deref(), Some("0 25 * * *"));
            Err(Error::new(Code::Invalid, "There is no such hour"))
        };
        let patch = Patch::from_iter([("backup_schedule".to_owned(), json!(" 0 25 * * *"))]);
        let written = |_: &Path, _: &str| panic!("it was refused");
        assert_eq!(live.change(&patch, refuse, written).unwrap_err().code(), Code::Invalid);
        assert_eq!(live.now().backup_schedule, None);
    }

    #[test]
    fn changes_at_the_same_time_all_hold() {
        let folder = tempfile::tempdir().unwrap();
        let live = running(folder.path());
        std::thread::scope(|scope| {
            for name in ["releases_kept", "backups_kept"] {
                let live = &live;
                scope.spawn(move || {
                    for number in 1..=50 {
                        let patch = Patch::from_iter([(name.to_owned(), json!(number))]);
                        live.change(&patch, ACCEPT, write).unwrap();
                    }
                });
            }
        });
        assert_eq!((live.now().releases_kept, live.now().backups_kept), (50, 50));
        let text = fs::read_to_string(live.now().layout().settings_file()).unwrap();
        assert_eq!((text.lines().count(), text.matches("= 50").count()), (2, 2));
    }

    #[test]
    fn a_link_stays_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let live = running(folder.path());
        let kept_elsewhere = folder.path().join("elsewhere.toml");
        fs::write(&kept_elsewhere, "# ours\n").unwrap();
        std::os::unix::fs::symlink(&kept_elsewhere, live.now().layout().settings_file()).unwrap();
        live.change(&kept(2), ACCEPT, |file, text| {
            assert_eq!(file, kept_elsewhere.canonicalize().unwrap());
            write(file, text)
        })
        .unwrap();
        assert_eq!(fs::read_to_string(kept_elsewhere).unwrap(), "# ours\nreleases_kept = 2\n");
    }
}
