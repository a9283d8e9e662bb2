//! What can be typed: one flag of `serve` for each setting, from the table of settings, and the commands of
//! `mantyx_cli`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Args, Command, value_parser};
use mantyx_cli::Invocation;
use mantyx_core::{Code, Error, Result};
use mantyx_settings::{SETTINGS, Setting, Settings};

/// The command that is the daemon.
pub(crate) const SERVE: &str = "serve";

const ROOT: &str = "root";

/// The arguments of a client that no daemon has.
const CLIENT: [&str; 3] = ["url", "token", "json"];

/// Everything that the program understands.
pub(crate) fn program() -> Command {
    let program = Command::new("mantyx")
        .version(env!("CARGO_PKG_VERSION"))
        .about("The control plane for Python on one machine")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(serve());
    Invocation::augment_args(program)
}

fn serve() -> Command {
    let root = Arg::new(ROOT)
        .long(ROOT)
        .value_name("DIR")
        .value_parser(value_parser!(PathBuf))
        .help("The folder that holds everything")
        .long_help(
            "The folder that holds everything. `MANTYX_ROOT`, else `/srv/mantyx` for a system service and \
             `./.mantyx` for a person when not given",
        );
    Command::new(SERVE)
        .about("Run the daemon")
        .long_about(
            "Run the daemon in the foreground until SIGTERM or SIGINT. Apps stay alive when it ends, unless \
             `--stop-apps-on-shutdown true` is given.\n\n\
             Each flag is a setting; what is not given comes from `MANTYX_*` or from `config/mantyx.toml` below \
             the root.",
        )
        .args(mantyx_cli::hidden_connection().filter(|argument| argument.get_id() != ROOT))
        .arg(root)
        .args(SETTINGS.iter().map(flag))
}

fn flag(setting: &Setting) -> Arg {
    let name = setting.flag().trim_start_matches("--").to_owned();
    let doc = setting.doc.trim_end_matches('.');
    let default =
        if setting.default.is_empty() { String::new() } else { format!(" [default: {}]", setting.default) };
    Arg::new(setting.name)
        .long(name)
        .value_name("VALUE")
        .allow_hyphen_values(true)
        .help(format!("{doc}{default}"))
        .long_help(format!("{doc}: {}{default}", setting.form))
}

/// `mantyx` takes them before every command, but they say where a daemon is, not how one is.
fn refuse_client(given: &ArgMatches) -> Result<()> {
    let typed = |id: &&str| given.value_source(id) == Some(ValueSource::CommandLine);
    match CLIENT.into_iter().find(typed) {
        None => Ok(()),
        Some(id) => {
            let detail = format!("`--{id}` is for commands that talk to a daemon, `{SERVE}` is one");
            Err(Error::new(Code::Invalid, detail).hint("Leave it out"))
        }
    }
}

/// The settings of a daemon that is started with these flags.
pub(crate) fn settings(given: &ArgMatches) -> Result<Settings> {
    refuse_client(given)?;
    let value = |setting: &Setting| {
        let text = given.get_one::<String>(setting.name)?;
        Some((setting.name.to_owned(), text.clone()))
    };
    let flags: BTreeMap<String, String> = SETTINGS.iter().filter_map(value).collect();
    let environment = std::env::vars_os()
        .filter_map(|(name, text)| Some((name.into_string().ok()?, text.into_string().ok()?)));
    Settings::load(given.get_one::<PathBuf>(ROOT).cloned(), flags, environment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_well_formed() {
        program().debug_assert();
    }

    #[test]
    fn a_daemon_is_no_client() {
        for typed in [["mantyx", "serve", "--url", "http://x"], ["mantyx", "--token", "x", "serve"]] {
            let matches = program().try_get_matches_from(typed).unwrap();
            let error = settings(matches.subcommand_matches(SERVE).unwrap()).unwrap_err();
            assert!(error.detail().contains("talk to a daemon"), "{error}");
        }
        let matches = program().try_get_matches_from(["mantyx", "--root", "/r", "serve"]).unwrap();
        assert_eq!(settings(matches.subcommand_matches(SERVE).unwrap()).unwrap().root, PathBuf::from("/r"));
    }

    #[test]
    fn every_setting_is_a_flag() {
        let folder = std::env::temp_dir().join("a-root-that-is-not-there");
        let root = folder.to_str().unwrap();
        let typed = [
            "mantyx",
            "serve",
            "--root",
            root,
            "--bind",
            "127.0.0.1:1",
            "--upload-limit",
            "3 MiB",
            "--page",
            "/",
        ];
        let matches = program().try_get_matches_from(typed).unwrap();
        let settings = settings(matches.subcommand_matches(SERVE).unwrap()).unwrap();
        assert_eq!((settings.bind.port(), settings.upload_limit), (1, 3 << 20));
        assert_eq!((settings.root, settings.page), (folder, Some(PathBuf::from("/"))));
        let flags: Vec<String> = SETTINGS.iter().map(Setting::flag).collect();
        let help = program().find_subcommand_mut(SERVE).unwrap().render_long_help().to_string();
        assert!(flags.iter().all(|flag| help.contains(flag.as_str())), "{help}");
    }
}
