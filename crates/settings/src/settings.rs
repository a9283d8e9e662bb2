//! The table: every setting with its type, default, form, meaning, and when a new value takes effect.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use mantyx_core::{Code, Error, Result};
use serde_json::Value;

use crate::layers::{self, Values};
use crate::layout::Layout;
use crate::root;
use crate::value::{self, LogFormat, LogLevel, OnShutdown};

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The key in `config/mantyx.toml`.
    pub name: &'static str,
    /// The value when nobody says otherwise, as it would be written; empty when there is none.
    pub default: &'static str,
    /// The form of a value, with its unit.
    pub form: &'static str,
    /// What it is for.
    pub doc: &'static str,
    /// When a new value takes effect.
    pub effect: Effect,
}

/// When a new value of a setting takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// At once: it can be changed while the daemon runs.
    Live,
    /// At the next start of the daemon.
    Restart,
}

impl Setting {
    /// The variable that overrides the file: `MANTYX_UPLOAD_LIMIT`.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("{}{}", layers::PREFIX, self.name.to_uppercase())
    }

    /// The flag that overrides the variable: `--upload-limit`.
    #[must_use]
    pub fn flag(&self) -> String {
        format!("--{}", self.name.replace('_', "-"))
    }
}

macro_rules! settings {
    ($($(#[doc = $doc:literal])+ $name:ident: $type:ty = $default:literal, $notation:ident, $effect:ident;)*) => {
        /// Everything that can be set about the daemon.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct Settings {
            /// The folder that holds everything, as an absolute path.
            pub root: PathBuf,
            $($(#[doc = $doc])+ pub $name: $type,)*
            /// What was said, and where: how the values above came about.
            pub(crate) given: Values,
        }

        /// Every setting but the root, in the order of the reference.
        pub const SETTINGS: &[Setting] = &[$(Setting {
            name: stringify!($name),
            default: $default,
            form: value::$notation.form,
            doc: concat!($($doc,)+).trim_ascii(),
            effect: Effect::$effect,
        },)*];

        impl Setting {
            /// A value in its usual notation, or why the text is none.
            pub(crate) fn normalise(&self, text: &str) -> Result<Value, String> {
                $(if self.name == stringify!($name) {
                    return (value::$notation.read)(text).map(|value| (value::$notation.write)(&value));
                })*
                Err("there is no such setting".to_owned())
            }
        }

        impl Settings {
            fn read(root: PathBuf, given: Values) -> Result<Self> {
                $(let $name = given.read(stringify!($name), $default, &value::$notation)?;)*
                Ok(Self { root, $($name,)* given })
            }

            /// Every value in its usual notation, in the order of the reference.
            pub(crate) fn values(&self) -> Vec<Value> {
                vec![$((value::$notation.write)(&self.$name),)*]
            }

            /// Takes over what others say about settings that may change while the daemon runs, and where.
            pub(crate) fn take_live(&mut self, others: &Values) -> Result<()> {
                $(if Effect::$effect == Effect::Live {
                    self.$name = others.read(stringify!($name), $default, &value::$notation)?;
                    self.given.take(stringify!($name), others);
                })*
                self.check()
            }
        }
    };
}

settings! {
    /// Where the daemon listens.
    bind: SocketAddr = "127.0.0.1:8420", ADDRESS, Restart;
    /// The address under which others reach the daemon, for links and for `MANTYX_URL` of apps. Made from `bind`
    /// when not given.
    public_url: Option<String> = "", OPTIONAL_URL, Restart;
    /// Names beside this host's own that a request may be addressed to.
    allowed_hosts: Vec<String> = "", LIST, Restart;
    /// The largest upload.
    upload_limit: u64 = "100 MiB", BYTES, Restart;
    /// The most that all files of an archive may have when unpacked.
    extracted_limit: u64 = "1 GiB", BYTES, Restart;
    /// The most entries of an archive.
    entry_limit: u64 = "20000", COUNT, Restart;
    /// How long an installation may take.
    install_timeout: Duration = "15 min", DURATION, Restart;
    /// The first port of the pool for apps that leave the choice of their web port to Mantyx.
    port_pool_first: u16 = "19001", PORT, Restart;
    /// The last port of that pool.
    port_pool_last: u16 = "19100", PORT, Restart;
    /// How the daemon's own log is written.
    log_format: LogFormat = "text", LOG_FORMAT, Restart;
    /// The least important messages that the daemon's own log keeps.
    log_level: LogLevel = "info", LOG_LEVEL, Restart;
    /// How long logs of executions and operations that are over are kept, and operations with their steps. That they were
    /// stays in the record of events.
    log_retention: Duration = "30 days", RETENTION, Live;
    /// The size at which a log goes on in another file, 256 MiB at most.
    log_segment_size: u64 = "16 MiB", BYTES, Restart;
    /// The most that the log of one execution may take on the disk. Its oldest lines go first.
    log_execution_size: u64 = "1 GiB", BYTES, Restart;
    /// The most that all logs together may take on the disk. The oldest go first.
    log_total_size: u64 = "10 GiB", BYTES, Restart;
    /// How many releases of an app are kept, the active one among them, which always stays. The oldest go first.
    releases_kept: u32 = "5", KEPT, Live;
    /// When every app is backed up, with its own files: a line of crontab(5), read in the zone of `timezone`. Never when
    /// not given. What falls due while Mantyx is down is made up for once.
    backup_schedule: Option<String> = "", OPTIONAL_CRON, Live;
    /// How many backups of an app are kept: so many that were asked for, so many that were made by `backup_schedule`, and
    /// so many that were made before changes. The oldest go first.
    backups_kept: u32 = "5", KEPT, Live;
    /// How long deleted apps stay in the trash, from where they can be restored.
    trash_retention: Duration = "14 days", RETENTION, Live;
    /// How often what should be there is held against what is, and repaired.
    reconcile_interval: Duration = "5 min", INTERVAL, Restart;
    /// Whether every app is stopped when the daemon is told to end (SIGTERM, SIGINT). They stay alive otherwise. Either
    /// way the next start brings up what ran. Whoever ends the daemon has to give it the longest stop grace of its
    /// apps: `TimeoutStopSec` of systemd.service(5).
    stop_apps_on_shutdown: OnShutdown = "false", ON_SHUTDOWN, Restart;
    /// The time zone of new schedules. The machine's own when not given.
    timezone: Option<String> = "", OPTIONAL_ZONE, Restart;
    /// The folder of the built web page. The folder `page` beside the program when not given.
    page: Option<PathBuf> = "", OPTIONAL_FOLDER, Restart;
    /// The user that apps run as, and that builds their environments, when the daemon itself runs as root. The user
    /// `mantyx` when there is one and this is not given, else `nobody`. `root` makes every app as mighty as the daemon.
    app_user: Option<String> = "", OPTIONAL_ACCOUNT, Restart;
    /// The program that watches one process. `mantyx-monitor` beside the program when not given.
    monitor: Option<PathBuf> = "", OPTIONAL_PROGRAM, Restart;
}

impl Settings {
    /// Reads the settings of one daemon: file, then environment, then flags.
    ///
    /// The root is `root`, else `MANTYX_ROOT`, else `/srv/mantyx` for a system service and `./.mantyx` for a
    /// person; a system service is a process of the superuser that systemd started (`INVOCATION_ID` is set,
    /// systemd.exec(5)). Flags are named like keys, with `-` or `_`.
    ///
    /// # Errors
    /// An unknown key, with the nearest known one as a hint; a value that cannot be read; a file that cannot be.
    pub fn load(
        root: Option<PathBuf>,
        flags: BTreeMap<String, String>,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<Self> {
        let environment: BTreeMap<String, String> = environment.collect();
        let root = root::resolve(root, &environment)?;
        let file = Layout::new(&root).settings_file();
        let mut values = layers::from_file(&file, &layers::text_of(&file)?)?;
        values.override_with(layers::from_environment(environment)?);
        values.override_with(layers::from_flags(flags)?);
        let settings = Self::read(root, values)?;
        settings.check()?;
        Ok(settings)
    }

    /// The places of its files.
    #[must_use]
    pub fn layout(&self) -> Layout {
        Layout::new(&self.root)
    }

    /// The folder of the built web page.
    pub fn page_folder(&self) -> Result<PathBuf> {
        self.page.clone().map_or_else(|| beside_the_program("page"), Ok)
    }

    /// The program that watches one process.
    pub fn monitor_program(&self) -> Result<PathBuf> {
        self.monitor.clone().map_or_else(|| beside_the_program("mantyx-monitor"), Ok)
    }

    /// What one value alone cannot say.
    fn check(&self) -> Result<()> {
        if self.log_segment_size > LARGEST_SEGMENT {
            let size = self.log_segment_size;
            let detail = format!("`log_segment_size` is {size} bytes, and no more than 256 MiB are possible");
            return Err(Error::new(Code::Invalid, detail).hint(
                "Whoever reads an old part of a log has one segment of it in memory; 16 MiB is usual",
            ));
        }
        if self.port_pool_first <= self.port_pool_last {
            return Ok(());
        }
        let (first, last) = (self.port_pool_first, self.port_pool_last);
        let detail =
            format!("The port pool is empty: `port_pool_first` is {first}, `port_pool_last` is {last}");
        Err(Error::new(Code::Invalid, detail).hint("Let the first port be the smaller one"))
    }
}

/// The largest segment of a log: one that is compressed is unpacked into memory for its readers.
const LARGEST_SEGMENT: u64 = 256 << 20;

fn beside_the_program(name: &str) -> Result<PathBuf> {
    let program = std::env::current_exe().map_err(|e| Error::io("find the running program", e))?;
    Ok(program.with_file_name(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::variables;

    fn load(file: &str, environment: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<Settings> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("config")).unwrap();
        std::fs::write(folder.path().join("config/mantyx.toml"), file).unwrap();
        let own = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
        };
        Settings::load(Some(folder.path().into()), own(flags), own(environment).into_iter())
    }

    fn refusal(file: &str, environment: &[(&str, &str)], flags: &[(&str, &str)]) -> String {
        let error = load(file, environment, flags).unwrap_err();
        assert_eq!(error.code(), Code::Invalid);
        format!("{error}. {}", error.hint_text().unwrap_or_default())
    }

    #[test]
    fn the_defaults_are_those_of_the_specification() {
        let settings = load("", &[], &[]).unwrap();
        assert_eq!(settings.bind, "127.0.0.1:8420".parse().unwrap());
        assert_eq!(settings.upload_limit, 100 << 20);
        assert_eq!(settings.extracted_limit, 1 << 30);
        assert_eq!(settings.entry_limit, 20_000);
        assert_eq!(settings.install_timeout, Duration::from_secs(15 * 60));
        assert_eq!((settings.port_pool_first, settings.port_pool_last), (19001, 19100));
        assert_eq!((settings.releases_kept, settings.backups_kept), (5, 5));
        assert_eq!(settings.trash_retention, Duration::from_secs(14 * 86_400));
        assert_eq!(settings.reconcile_interval, Duration::from_secs(300));
        assert_eq!((settings.page, settings.timezone, settings.app_user), (None, None, None));
        assert_eq!(settings.backup_schedule, None);
    }

    #[test]
    fn logs_are_kept_within_limits() {
        let settings = load("log_retention = '2 days'", &[("MANTYX_LOG_TOTAL_SIZE", "1 GiB")], &[]).unwrap();
        assert_eq!(settings.log_retention, Duration::from_secs(2 * 86_400));
        assert_eq!((settings.log_segment_size, settings.log_execution_size), (16 << 20, 1 << 30));
        assert_eq!(settings.log_total_size, 1 << 30);
        assert_eq!(load("log_segment_size = '256 MiB'", &[], &[]).unwrap().log_segment_size, 256 << 20);
        assert!(refusal("log_segment_size = '257 MiB'", &[], &[]).contains("no more than 256 MiB"));
        assert_eq!(load("", &[], &[]).unwrap().log_retention, Duration::from_secs(30 * 86_400));
    }

    #[test]
    fn apps_stay_alive_unless_they_are_to_be_taken_along() {
        let on = |file: &str| load(file, &[], &[]).unwrap().stop_apps_on_shutdown;
        assert_eq!(on(""), OnShutdown::LeaveApps);
        assert_eq!(on("stop_apps_on_shutdown = true"), OnShutdown::StopApps);
        assert!(refusal("stop_apps_on_shutdown = 'yes'", &[], &[]).contains("`true` or `false`"));
    }

    #[test]
    fn a_missing_file_is_an_empty_one() {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings::load(Some(folder.path().into()), BTreeMap::new(), std::iter::empty());
        assert_eq!(settings.unwrap().root, folder.path());
    }

    #[test]
    fn flags_win_over_the_environment_over_the_file() {
        let file = "upload_limit = '1 MiB'\nentry_limit = 7\nallowed_hosts = ['a', 'b']\nlog_format = 'json'";
        let environment =
            [("MANTYX_UPLOAD_LIMIT", "2 MiB"), ("MANTYX_ENTRY_LIMIT", "8"), ("MANTYX_BIND", "")];
        let settings = load(file, &environment, &[("upload-limit", "3 MiB")]).unwrap();
        assert_eq!((settings.upload_limit, settings.entry_limit), (3 << 20, 8));
        assert_eq!(settings.allowed_hosts, ["a", "b"]);
        assert_eq!(settings.log_format, LogFormat::Json);
    }

    #[test]
    fn an_unknown_key_names_the_nearest_one() {
        assert!(refusal("uplod_limit = 1", &[], &[]).contains("Did you mean `upload_limit`?"));
        let typo = refusal("", &[("MANTYX_LOGFORMAT", "json")], &[]);
        assert!(typo.contains("`MANTYX_LOGFORMAT`") && typo.contains("`MANTYX_LOG_FORMAT`"), "{typo}");
        assert!(refusal("", &[], &[("bnd", "x")]).contains("Did you mean `--bind`?"));
        assert!(!refusal("zzzzzzzz = 1", &[], &[]).contains("Did you mean"));
    }

    #[test]
    fn variables_that_are_no_settings_are_let_be() {
        let others = [(variables::OWNER_TOKEN, "x"), (variables::URL, "http://box:8420"), ("HOME", "/")];
        assert_eq!(load("", &others, &[]).unwrap().public_url, None);
    }

    #[test]
    fn a_value_that_cannot_be_read_says_where_it_stands() {
        let text = refusal("upload_limit = 'much'", &[], &[]);
        assert!(text.contains("`upload_limit`") && text.contains("mantyx.toml") && text.contains("`much`"));
        assert!(refusal("", &[("MANTYX_BIND", "here")], &[]).contains("`MANTYX_BIND`"));
        assert!(refusal("bind = ", &[], &[]).contains("mantyx.toml"));
        assert!(refusal("[bind]\nport = 1", &[], &[]).contains("`bind`"));
    }

    #[test]
    fn what_cannot_be_used_is_found_at_the_start() {
        for (flag, value) in [
            ("timezone", "Mars/X"),
            ("app-user", "a:b"),
            ("public-url", "blah"),
            ("monitor", "/nonexist"),
            ("page", "/nonexist"),
        ] {
            let text = refusal("", &[], &[(flag, value)]);
            assert!(text.contains(&format!("`--{flag}`")) && text.contains(value), "{text}");
        }
    }

    #[test]
    fn the_pool_of_ports_is_not_empty() {
        assert!(refusal("port_pool_first = 20000", &[], &[]).contains("empty"));
        assert!(refusal("port_pool_first = 0", &[], &[]).contains("`0`"));
    }
}
