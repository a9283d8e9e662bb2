//! From a configuration to a process. Pure.

mod line;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mantyx_core::{AppId, AppName, Configuration, EnvironmentId, ExecutionId, Launch};
use mantyx_settings::{Layout, variables};
use mantyx_supervisor::{Care, Command, Surroundings};

use crate::house::House;
use crate::identity::RunsAs;

/// Everything that decides what a process is given.
pub(crate) struct Launching<'a> {
    pub(crate) house: &'a House,
    pub(crate) app: AppId,
    pub(crate) name: &'a AppName,
    pub(crate) release: u32,
    pub(crate) environment: EnvironmentId,
    pub(crate) execution: ExecutionId,
    pub(crate) configuration: &'a Configuration,
    pub(crate) web_port: Option<u16>,
    /// As whom.
    pub(crate) runs_as: RunsAs,
}

/// What is run.
pub(crate) fn command(launching: &Launching<'_>) -> Command {
    let Launching { house: House { layout, .. }, name, configuration, .. } = launching;
    let source = layout.release(name, launching.release);
    let programs = layout.environment(name, launching.environment).join("bin");
    let care = care(launching);
    let folder = &care.surroundings.directory;
    let (program, mut arguments) = program(&configuration.entrypoint, &source, &programs, folder);
    arguments.extend(configuration.arguments.iter().cloned());
    Command {
        execution: launching.execution,
        app: launching.app,
        program,
        arguments,
        log: log_path(layout, launching.app, launching.execution),
        care,
    }
}

/// How what is run is cared for.
pub(crate) fn care(launching: &Launching<'_>) -> Care {
    let Launching { house, name, configuration, .. } = launching;
    let source = house.layout.release(name, launching.release);
    let programs = house.layout.environment(name, launching.environment).join("bin");
    let seconds = |seconds: u32| Duration::from_secs(seconds.into());
    Care {
        rule: configuration.restart_rule(),
        stop_signal: configuration.stop_signal.number(),
        stop_grace: seconds(configuration.stop_grace),
        health: configuration.health.clone(),
        web_port: launching.web_port,
        reach: house.reach,
        watchdog: configuration.watchdog.map(seconds),
        timeout: configuration.timeout.map(seconds),
        limits: configuration.limits,
        surroundings: Surroundings {
            directory: configuration
                .working_directory
                .as_ref()
                .map_or(source.clone(), |dir| source.join(dir)),
            environment: environment(launching, &programs),
            identity: launching.runs_as.identity.clone(),
        },
        warnings: launching.runs_as.warnings.clone(),
    }
}

/// Where an app is at home: below its data.
pub(crate) fn home(layout: &Layout, name: &AppName) -> PathBuf {
    layout.app_data(name).join("home")
}

/// The log of one execution. Names sort by time, because ids do.
pub(crate) fn log_path(layout: &Layout, app: AppId, execution: ExecutionId) -> PathBuf {
    layout.logs(app).join(format!("{execution}.log"))
}

fn program(launch: &Launch, source: &Path, programs: &Path, folder: &Path) -> (PathBuf, Vec<String>) {
    let python = programs.join("python");
    match launch {
        Launch::Script(path) => (python, vec![source.join(path).to_string_lossy().into_owned()]),
        Launch::Module(module) => (python, vec!["-m".to_owned(), module.clone()]),
        Launch::Console(name) => (programs.join(name), Vec::new()),
        // Signals go to the whole process group, so they reach the program also where a shell stays before it.
        Launch::Command(line) => line::program(line, folder),
    }
}

fn environment(launching: &Launching<'_>, programs: &Path) -> BTreeMap<String, String> {
    let Launching { house: House { layout, url, passed_on, .. }, name, .. } = launching;
    let data = layout.app_data(name);
    let text = |path: PathBuf| path.to_string_lossy().into_owned();
    let mut variables = passed_on.clone();
    let mut set = |key: &str, value: String| variables.insert(key.to_owned(), value);
    set("APP_NAME", name.to_string());
    set("APP_DATA_DIR", text(data));
    set("APP_RELEASE", launching.release.to_string());
    set("PYTHONUNBUFFERED", "1".to_owned());
    set("VIRTUAL_ENV", text(layout.environment(name, launching.environment)));
    set("PATH", format!("{}:{SYSTEM_PATH}", programs.display()));
    set("HOME", text(home(layout, name)));
    set(variables::EXECUTION_ID, launching.execution.to_string());
    set(variables::URL, url.clone());
    if let Some(port) = launching.web_port {
        set("PORT", port.to_string());
    }
    if let Some(user) = &launching.runs_as.identity {
        set("USER", user.name.clone());
        set("LOGNAME", user.name.clone());
    }
    variables.extend(launching.configuration.env.clone());
    variables
}

/// Where the machine's own programs are (the default of Debian's login(1) for the superuser).
const SYSTEM_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

#[cfg(test)]
mod tests {
    use super::*;
    use mantyx_core::Identity;
    use mantyx_settings::Settings;

    fn launch(text: &str, change: impl FnOnce(&mut Configuration)) -> Command {
        let mut configuration = Configuration::new(Launch::parse(text).unwrap());
        change(&mut configuration);
        let settings =
            Settings::load(Some("/srv/mantyx".into()), BTreeMap::new(), std::iter::empty()).unwrap();
        let mut house = House::new(&settings);
        house.passed_on = BTreeMap::from([("LANG".into(), "C.UTF-8".into())]);
        command(&Launching {
            house: &house,
            app: AppId::generate(),
            name: &AppName::parse("wiki").unwrap(),
            release: 3,
            environment: EnvironmentId::generate(),
            execution: ExecutionId::generate(),
            configuration: &configuration,
            web_port: Some(19001),
            runs_as: RunsAs { identity: Some(nobody()), warnings: vec!["It is Monday".into()] },
        })
    }

    fn nobody() -> Identity {
        Identity { uid: 65534, gid: 65534, groups: Vec::new(), name: "nobody".into() }
    }

    #[test]
    fn each_form_has_its_program() {
        let script = launch("main.py", |c| c.arguments = vec!["--fast".into()]);
        assert!(script.program.ends_with("bin/python"));
        assert_eq!(script.arguments, ["/srv/mantyx/apps/wiki/releases/3/main.py", "--fast"]);
        assert_eq!(launch("-m wiki.web", |_| ()).arguments, ["-m", "wiki.web"]);
        assert!(launch("flask", |_| ()).program.ends_with("bin/flask"));
        let line = launch("uvicorn app:api", |c| c.arguments = vec!["--fast".into()]);
        assert_eq!((line.program, line.arguments.join(" ")), ("uvicorn".into(), "app:api --fast".into()));
        let line = launch("./run web", |c| c.working_directory = Some("site".parse().unwrap()));
        assert_eq!(line.program, Path::new("/srv/mantyx/apps/wiki/releases/3/site/./run"));
        let line = launch("uvicorn app:api --port $PORT", |_| ());
        assert_eq!(line.program, Path::new("/bin/sh"));
        assert_eq!(line.arguments[1], "exec uvicorn app:api --port $PORT \"$@\"");
    }

    #[test]
    fn an_app_sees_what_the_specification_says() {
        let command = launch("main.py", |c| {
            c.env.insert("COLOUR".into(), "green".into());
            c.env.insert("LANG".into(), "de_DE.UTF-8".into());
        });
        let expected = [
            ("APP_NAME", "wiki"),
            ("APP_DATA_DIR", "/srv/mantyx/apps/wiki/data"),
            ("APP_RELEASE", "3"),
            ("PORT", "19001"),
            ("PYTHONUNBUFFERED", "1"),
            ("HOME", "/srv/mantyx/apps/wiki/data/home"),
            ("MANTYX_URL", "http://127.0.0.1:8420"),
            ("USER", "nobody"),
            ("LOGNAME", "nobody"),
            ("COLOUR", "green"),
            ("LANG", "de_DE.UTF-8"),
        ];
        for (name, value) in expected {
            assert_eq!(
                command.care.surroundings.environment.get(name).map(String::as_str),
                Some(value),
                "{name}"
            );
        }
        assert!(command.care.surroundings.environment.contains_key("MANTYX_EXECUTION_ID"));
        assert!(command.care.surroundings.environment["PATH"].starts_with("/srv/mantyx/venvs/wiki/"));
    }
}
