//! As whom apps run. A daemon that is root gives each app to a user that can do little; any other is itself.
//!
//! The same stories are told of both: what only root can bring about is asserted to be said where the daemon is not.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use mantyx_api_types::{HealthView, SystemView};
use mantyx_core::{AppName, Code, OperationStatus};
use mantyx_test_support::{Client, PATIENCE, TestMantyx, apps, wait_until};
use serde_json::{Value, json};

/// Says who it is, and then of everything that it is given as an argument whether it can be read or listed.
const SPY: &str = r"
import os, sys
status = dict(line.split(':', 1) for line in open('/proc/self/status').read().splitlines())
print('uid', os.getuid(), os.geteuid(), 'groups', sorted(set(os.getgroups())))
print('user', os.environ.get('USER'), os.environ.get('LOGNAME'), 'new', status['NoNewPrivs'].strip())
for path in sys.argv[1:]:
    try:
        os.listdir(path) if os.path.isdir(path) else open(path, 'rb').read(1)
        print('READ', path)
    except OSError as error:
        print('closed', path, error.strerror)
for path in [__file__, os.path.dirname(__file__) + '/new', sys.prefix + '/../new']:
    try:
        open(path, 'a').close()
        print('WROTE', path)
    except OSError as error:
        print('locked', path, error.strerror)
open(os.environ['APP_DATA_DIR'] + '/kept', 'a').write('x')
open(os.environ['HOME'] + '/kept', 'a').write('x')
print('done')
";

fn is_superuser() -> bool {
    rustix::process::geteuid().is_root()
}

/// Runs a scheduled app once and returns what it said.
async fn run(client: &Client, name: &AppName) -> String {
    let before = client.executions(name).await.unwrap().len();
    client.event(name, "run").await.unwrap();
    wait_until("the run to end", PATIENCE, async || {
        let runs = client.executions(name).await.unwrap();
        let over = runs.iter().filter(|run| run.finished_at.is_some()).count();
        (over > before).then_some(())
    })
    .await;
    client.get_text(&format!("/api/apps/{name}/logs?download=true")).await.unwrap()
}

async fn spy(client: &Client, name: &str, more: &[(&str, &str)]) -> AppName {
    let fields = [&[("type", "scheduled"), ("name", name)], more].concat();
    let name = client.upload_script("spy.py", SPY, &fields).await.unwrap().app.name;
    client.install_and_enable(&name).await;
    name
}

async fn set(client: &Client, name: &AppName, configuration: Value) -> Result<Value, Option<Code>> {
    let revision: Value = client.get(&format!("/api/apps/{name}/configuration")).await.unwrap();
    let seen = format!("\"{}\"", revision["revision"]);
    let change = json!({ "configuration": configuration });
    client.patch(&format!("/api/apps/{name}"), &seen, change).await.map_err(|refusal| refusal.code())
}

/// What was built as one user is no other user's to run from, once that one was given to the app.
async fn install_again(client: &Client, name: &AppName) {
    client.event(name, "disable").await.unwrap();
    client.install_and_enable(name).await;
}

fn owner(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).uid()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_cannot_read_what_is_not_its_own() {
    let mantyx = TestMantyx::start().await;
    let (client, root) = (mantyx.client(), mantyx.root().display());
    let other = spy(client, "other", if is_superuser() { &[("user", "daemon")] } else { &[] }).await;
    run(client, &other).await;
    let name = spy(client, "spy", &[]).await;
    let logs = format!("{root}/logs/{}", client.app(&other).await.unwrap().id);
    let pid = mantyx.pid();
    let secrets = [
        "config",
        "config/owner-token",
        "data",
        "data/mantyx.db",
        "data/mantyx.db-wal",
        "logs",
        "run",
        "trash",
        "cache/uploads",
        "daemon.log",
        "apps/spy/config.yaml",
        "apps/spy/metadata.json",
        "apps/other/config.yaml",
        "apps/other/data",
        "apps/other/data/kept",
    ];
    let mut paths: Vec<String> = secrets.iter().map(|path| format!("{root}/{path}")).collect();
    paths.extend([
        logs,
        format!("/proc/{pid}/environ"),
        format!("/proc/{pid}/cwd"),
        format!("/proc/{pid}/fd"),
    ]);
    set(client, &name, json!({ "arguments": paths })).await.unwrap();
    let said = run(client, &name).await;
    assert!(said.contains("done"), "{said}");
    if !is_superuser() {
        let own = rustix::process::geteuid().as_raw();
        assert!(said.contains(&format!("uid {own} {own}")) && said.contains("user None None"), "{said}");
        return;
    }
    assert!(!said.contains("READ") && !said.contains("WROTE"), "{said}");
    assert_eq!(said.matches("closed ").count(), paths.len(), "{said}");
    assert!(!said.contains("uid 0") && said.contains("new 1"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_can_be_given_another_user_and_groups_and_its_data_go_with_it() {
    let mantyx = TestMantyx::start().await;
    let client = mantyx.client();
    let name = spy(client, "spy", &[]).await;
    run(client, &name).await;
    set(client, &name, json!({ "user": "daemon", "groups": ["tty"] })).await.unwrap();
    install_again(client, &name).await;
    let said = run(client, &name).await;
    let data = mantyx.root().join(format!("apps/{name}/data"));
    let files = [data.clone(), data.join("kept"), data.join("home"), data.join("home/kept")];
    assert_eq!(fs::read_to_string(data.join("kept")).unwrap(), "xx", "{said}");
    if !is_superuser() {
        let own = rustix::process::geteuid().as_raw();
        assert!(files.iter().all(|file| owner(file) == own));
        return;
    }
    let daemon = said.lines().rfind(|line| line.contains("uid ")).unwrap();
    assert!(daemon.contains("uid 1 1") && daemon.contains('5'), "{said}");
    assert!(said.contains("user daemon daemon"), "{said}");
    for file in files {
        assert_eq!(owner(&file), 1, "{}", file.display());
    }
    // As root again, as before there were users: it is the owner's wish.
    set(client, &name, json!({ "user": "root", "groups": [] })).await.unwrap();
    install_again(client, &name).await;
    let said = run(client, &name).await;
    assert!(said.contains("uid 0 0"), "{said}");
    assert_eq!(owner(&data.join("home/kept")), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_user_brings_its_environment_and_so_does_the_way_back() {
    let mantyx = TestMantyx::start().await;
    let client = mantyx.client();
    let name = spy(client, "spy", &[]).await;
    let ended = async |begun: Value| {
        let ended = client.ended(serde_json::from_value(begun["id"].clone()).unwrap()).await;
        assert_eq!(ended.status, OperationStatus::Succeeded, "{ended:?}");
    };
    let (path, again) = (format!("/api/apps/{name}"), format!("{SPY}\n# Again"));
    ended(json!(client.update_archive(&name, apps::zip(&[("spy.py", &again)]), &[]).await.unwrap())).await;

    let seen: Value = client.get(&format!("{path}/configuration")).await.unwrap();
    let (seen, change) =
        (format!("\"{}\"", seen["revision"]), json!({ "configuration": { "user": "daemon" } }));
    ended(client.patch(&format!("{path}?restart=true"), &seen, change).await.unwrap()).await;
    let as_wished = async || {
        let said = run(client, &name).await;
        let last = said.lines().rfind(|line| line.contains("uid ")).unwrap();
        assert!(last.contains("uid 1 1") || !is_superuser(), "{said}");
    };
    as_wished().await;
    // The first release was built as somebody else, too.
    ended(client.post(&format!("{path}/rollback"), json!({})).await.unwrap()).await;
    as_wished().await;
    assert_eq!(client.app(&name).await.unwrap().release, Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wish_is_granted_or_its_refusal_is_said() {
    let mantyx = TestMantyx::start().await;
    let client = mantyx.client();
    let fields = [("user", "daemon"), ("groups", r#"["tty"]"#)];
    let name = client.upload_script("nap.py", apps::sleeper_script(), &fields).await.unwrap().app.name;
    client.install_and_enable(&name).await;
    let app = client.wait_for_app(&name, "run", |app| app.pid.is_some()).await;
    if is_superuser() {
        assert_eq!(owner(Path::new(&format!("/proc/{}", app.pid.unwrap()))), 1);
        // The machine may have something to say about limits.
        assert!(!app.warnings.iter().any(|said| said.contains("root")), "{:?}", app.warnings);
    } else {
        let said = app.warnings.join("\n");
        assert!(said.contains("not as `daemon`") && said.contains("`tty`"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_is_not_there_is_refused_at_its_field() {
    let mantyx = TestMantyx::start().await;
    let client = mantyx.client();
    let fields = [("user", "no-such-user")];
    let created = client.upload_script("job.py", apps::hello_script(), &fields).await;
    let name = client.upload_script("job.py", apps::hello_script(), &[]).await.unwrap().app.name;
    let set = set(client, &name, json!({ "groups": ["no-such-group"] })).await;
    if is_superuser() {
        let problem = created.unwrap_err().problem.unwrap();
        assert_eq!((problem.status, problem.errors[0].field.as_str()), (422, "user"));
        assert_eq!(set.unwrap_err(), Some(Code::Invalid));
    } else {
        // Nobody could be given the app anyway: a warning says that it is not.
        assert!(created.is_ok() && set.is_ok());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_root_that_apps_cannot_enter_is_said_before_anything_is_tried() {
    let mantyx = TestMantyx::start().await;
    let client = mantyx.client();
    let name = client.upload_script("job.py", apps::hello_script(), &[]).await.unwrap().app.name;
    fs::set_permissions(mantyx.root(), Permissions::from_mode(0o700)).unwrap();
    let installed = client.install(&name).await;
    let health: Result<HealthView, _> = client.get("/health").await;
    let system: SystemView = client.get("/api/system").await.unwrap();
    if is_superuser() {
        let refused = installed.unwrap_err();
        assert_eq!(refused.code(), Some(Code::StartFailed), "{refused}");
        let root = format!("`{}`", mantyx.root().display());
        assert!(refused.problem.unwrap().detail.contains(&root));
        assert!(system.warnings.iter().any(|warning| warning.contains(&root)), "{:?}", system.warnings);
        fs::set_permissions(mantyx.root(), Permissions::from_mode(0o711)).unwrap();
        client.install(&name).await.unwrap();
    } else {
        installed.unwrap();
        assert_eq!((health.unwrap().reasons, system.warnings.len()), (Vec::new(), 0));
        assert_eq!(system.app_user, None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_belongs_to_the_user_of_an_app_can_be_deleted_restored_and_purged() {
    let mantyx = TestMantyx::start().await;
    let client = mantyx.client();
    let script = "import os\ndata = os.environ['APP_DATA_DIR']\nos.makedirs(data + '/closed/inner', exist_ok=True)\n\
                  open(data + '/closed/inner/file', 'w').close()\nos.chmod(data + '/closed', 0)\nprint('done')\n";
    let fields = [("type", "scheduled"), ("name", "tidy")];
    let name = client.upload_script("tidy.py", script, &fields).await.unwrap().app.name;
    client.install_and_enable(&name).await;
    assert!(run(client, &name).await.contains("done"));
    let _: Value = client.delete(&format!("/api/apps/{name}?confirm={name}&wait=60")).await.unwrap();
    let trash: Value = client.get("/api/trash").await.unwrap();
    let id = trash["items"][0]["id"].as_str().unwrap().to_owned();
    let _: Value = client.post(&format!("/api/trash/{id}/restore?wait=60"), json!({})).await.unwrap();
    let data = mantyx.root().join(format!("apps/{name}/data"));
    let wanted = if is_superuser() { owner(&data.join("home")) } else { owner(mantyx.root()) };
    assert_eq!(owner(&data.join("closed")), wanted);
    let path = format!("/api/apps/{name}?mode=permanent&confirm={name}&wait=60");
    let purged: Value = client.delete(&path).await.unwrap();
    assert_eq!(purged["status"], "succeeded", "{purged}");
    assert!(!data.exists());
}
