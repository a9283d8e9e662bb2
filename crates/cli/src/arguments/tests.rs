//! Command lines that are taken, and those that are not.

use super::*;
use clap::Parser;
use mantyx_core::AppType;

#[derive(Debug, Parser)]
#[command(name = "mantyx")]
struct Program {
    #[command(flatten)]
    invocation: Invocation,
}

fn parse(line: &str) -> Result<Invocation, clap::Error> {
    Program::try_parse_from(line.split_whitespace()).map(|program| program.invocation)
}

#[test]
fn the_command_line_is_sound() {
    let program = <Invocation as clap::Args>::augment_args(clap::Command::new("mantyx"));
    assert!(program.get_about().unwrap().to_string().contains("control plane"));
    program.debug_assert();
}

#[test]
fn where_the_daemon_is_stands_before_the_command_or_behind_it() {
    let place = "--url http://box:1 --token t --root /r --json";
    for line in [
        "ls",
        "status x",
        "token ls",
        "login-link",
        "trash purge x",
        "schedule rm 01990000-0000-7000-8000-000000000000",
    ] {
        for line in [format!("mantyx {line} {place}"), format!("mantyx {place} {line}")] {
            let connection = parse(&line).unwrap().connection;
            assert_eq!((connection.base().unwrap(), connection.json), ("http://box:1", true), "{line}");
        }
    }
}

#[test]
fn a_usage_names_what_is_needed_and_no_more() {
    let said = parse("mantyx schedule add x").unwrap_err().to_string();
    assert!(said.contains("--cron <CRON>") && said.contains("--every <TIME>"), "{said}");
    assert!(!said.contains("--url") && !said.contains("--root"), "{said}");
}

#[test]
fn deploy_takes_all_that_a_form_asks() {
    let line = "mantyx deploy . --name x --type scheduled --tag a --tag b --entrypoint -m --arg --fast \
                --env A=1=2 --web-port auto --restart-policy on-failure --no-enable";
    let ClientCommand::Deploy(what) = parse(line).unwrap().command else { unreachable!() };
    assert_eq!(
        (what.tags, what.configuration.arguments),
        (vec!["a".to_owned(), "b".to_owned()], vec!["--fast".to_owned()])
    );
    assert_eq!(what.configuration.env, [("A".to_owned(), "1=2".to_owned())]);
    assert_eq!(what.configuration.web_port, Some("auto".into()));
    assert_eq!(what.app_type.map(AppType::from), Some(AppType::Scheduled));
}

#[test]
fn mistakes_are_told_before_anything_is_sent() {
    for line in [
        "status No-Name",
        "deploy . --env =1",
        "deploy . --web-port 0",
        "schedule add x",
        "schedule add x --cron y --every 5",
        "schedule add x --every 5y",
        "schedule set x",
        "schedule set x --cron y --every 5",
        "schedule on",
        "logs x --since noon",
    ] {
        assert!(parse(&format!("mantyx {line}")).is_err(), "{line}");
    }
}

#[test]
fn an_update_says_where_the_code_is_or_what_else_is_wanted() {
    let line = "mantyx update weather https://x/y --ref v2 --subdir app --entrypoint -m --env A=1";
    let ClientCommand::Update(what) = parse(line).unwrap().command else { unreachable!() };
    assert_eq!((what.source.as_deref(), what.git.reference.as_deref()), (Some("https://x/y"), Some("v2")));
    assert_eq!(what.git.subdir.map(|path| path.to_string()).as_deref(), Some("app"));
    assert_eq!(what.configuration.env, [("A".to_owned(), "1".to_owned())]);
    for line in ["update weather", "update weather --dependencies", "update weather --check"] {
        assert!(parse(&format!("mantyx {line}")).is_ok(), "{line}");
    }
    for other in
        [".", "--ref v2", "--subdir app", "--credential x", "--submodules", "--env A=1", "--python >=3.11"]
    {
        for alone in ["--dependencies", "--check"] {
            assert!(parse(&format!("mantyx update weather {other} {alone}")).is_err(), "{other} {alone}");
        }
    }
    assert!(parse("mantyx update weather --check --dependencies").is_err());
}

#[test]
fn releases_are_named_by_their_numbers() {
    let ClientCommand::Diff(what) = parse("mantyx diff weather 2").unwrap().command else { unreachable!() };
    assert_eq!((what.from, what.to), (2, None));
    let ClientCommand::Cat(what) = parse("mantyx cat weather ./a//b.py --release 3").unwrap().command else {
        unreachable!()
    };
    assert_eq!((what.path.as_str(), what.release), ("a/b.py", Some(3)));
    for line in ["diff weather", "diff weather one", "cat weather ../x", "cat weather", "rollback weather 2"]
    {
        assert!(parse(&format!("mantyx {line}")).is_err(), "{line}");
    }
}

#[test]
fn backups_and_settings_have_commands_of_their_own() {
    let id = "01990000-0000-7000-8000-000000000000";
    for line in [
        "backup create weather --data".to_owned(),
        "backup ls weather".to_owned(),
        format!("backup restore weather {id} --data --yes"),
        format!("backup rm weather {id} -y"),
        "settings".to_owned(),
        "settings set log_retention 30d".to_owned(),
        "settings unset log_retention".to_owned(),
        "set weather env.A=1 --restart".to_owned(),
        "rename weather rain".to_owned(),
        "dependencies weather --outdated".to_owned(),
        "releases weather 3".to_owned(),
    ] {
        assert!(parse(&format!("mantyx {line} --json")).unwrap().connection.json, "{line}");
    }
    for line in [
        "backup weather",
        "backup restore weather 7",
        "settings log_retention",
        "settings set x",
        "rename weather No",
    ] {
        assert!(parse(&format!("mantyx {line}")).is_err(), "{line}");
    }
}

#[test]
fn what_a_secret_holds_is_nothing_that_can_be_typed() {
    let line = "mantyx secret set deploy --kind ssh-key --file /k --host github.com --passphrase";
    let ClientCommand::Secret(what) = parse(line).unwrap().command else { unreachable!() };
    let SecretCommand::Set(what) = what.command else { unreachable!() };
    assert_eq!(
        (what.name.as_str(), what.host.as_deref(), what.passphrase),
        ("deploy", Some("github.com"), true)
    );
    for line in [
        "secret ls",
        "secret set deploy --kind token --host github.com",
        "secret set deploy --kind ssh_key",
        "secret rm deploy",
    ] {
        assert!(parse(&format!("mantyx {line}")).is_ok(), "{line}");
    }
    for line in [
        "secret",
        "secret set deploy",
        "secret set deploy --kind token",
        "secret set deploy --kind token --host github.com s3cret",
        "secret set deploy --kind token --host github.com --value s3cret",
        "secret set deploy --kind ssh-key --passphrase",
        "secret rm",
    ] {
        assert!(parse(&format!("mantyx {line}")).is_err(), "{line}");
    }
}

#[test]
fn following_is_set_stopped_or_done_now() {
    let line = "mantyx track weather --mode apply --ref main --schedule";
    let line = line.split_whitespace().chain(["0 4 * * *"]);
    let ClientCommand::Track(what) = Program::try_parse_from(line).unwrap().invocation.command else {
        unreachable!()
    };
    assert_eq!((what.schedule.as_deref(), what.reference.as_deref()), (Some("0 4 * * *"), Some("main")));
    for line in
        ["track weather", "track weather --off", "track weather --check", "hook create weather", "reconcile"]
    {
        assert!(parse(&format!("mantyx {line}")).is_ok(), "{line}");
    }
    for line in [
        "track",
        "track weather --mode always",
        "track weather --off --check",
        "track weather --off --mode notify",
        "track weather --check --ref main",
        "hook weather",
        "hook rm",
    ] {
        assert!(parse(&format!("mantyx {line}")).is_err(), "{line}");
    }
}
