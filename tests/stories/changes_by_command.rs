//! Every change as a person types it, and what it says: updates and the way back, backups, names, settings, secrets, and
//! following a repository.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use mantyx_api_types::{AppView, OperationView, Page};
use mantyx_core::{AppName, AppState, OperationKind};
use mantyx_test_support::TestMantyx;
use mantyx_test_support::apps::{self, GitRepository};
use serde_json::{Value, json};

use crate::command_line::command;

/// What a command has said, and its exit code.
#[derive(Debug)]
struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Said {
    fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// Its result, when it has done what it was asked.
    fn done(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.out
    }

    /// Why it has not.
    fn refused(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{self:?}");
        self.err
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Types commands, and waits for the end of each.
struct Person {
    mantyx: TestMantyx,
    desk: PathBuf,
}

impl Person {
    async fn begin() -> Self {
        let mantyx = TestMantyx::start().await;
        let desk = mantyx.root().join("desk");
        fs::create_dir(&desk).unwrap();
        Self { mantyx, desk }
    }

    fn types(&self, line: &str) -> Said {
        self.types_words(&line.split(' ').collect::<Vec<_>>())
    }

    /// For words that have a space in them, or nothing at all.
    fn types_words(&self, words: &[&str]) -> Said {
        Said::of(command(&self.mantyx, words).output().unwrap())
    }

    /// With a file as standard input.
    fn pipes(&self, file: &Path, line: &str) -> Said {
        let words: Vec<&str> = line.split(' ').collect();
        let input = Stdio::from(File::open(file).unwrap());
        Said::of(command(&self.mantyx, &words).stdin(input).output().unwrap())
    }

    /// Writes a file, and gives its path as it is typed.
    fn writes(&self, path: &str, text: &str) -> String {
        let path = self.desk.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    /// An app that runs only when somebody says so: nothing of it is waited for after a change.
    fn deploys_job(&self, name: &str) {
        let script = self.writes("job.py", "print('one')\n");
        self.types(&format!("deploy {script} --name {name} --type scheduled")).done();
    }

    async fn app(&self, name: &str) -> AppView {
        self.mantyx.client().app(&AppName::parse(name).unwrap()).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_brings_its_code_and_what_it_declares() {
    let person = Person::begin().await;
    let manifest =
        |word: &str| format!("type = 'scheduled'\nentrypoint = 'main.py'\n\n[env]\nWORD = '{word}'\n");
    person.writes("weather/main.py", "print('rain')\n");
    person.writes("weather/mantyx.toml", &manifest("one"));
    let folder = person.desk.join("weather").display().to_string();
    person.types(&format!("deploy {folder}")).done();

    person.writes("weather/main.py", "print('sun')\n");
    person.writes("weather/mantyx.toml", &manifest("two"));
    let update = person.types(&format!("update weather {folder}"));
    assert!(update.err.starts_with(&format!("Packed 2 files of `{folder}`\n")), "{update:?}");
    assert_eq!(update.done(), "`weather` is at release 2; `mantyx rollback weather` goes back\n");
    assert!(person.types("config weather").done().lines().any(|line| line.ends_with("  two")));

    let releases = person.types("releases weather").done();
    let active: Vec<bool> = releases.lines().skip(1).map(|line| line.contains("active")).collect();
    assert_eq!(active, [true, false], "{releases}");
    let files = person.types("releases weather 1").done();
    assert!(files.contains("main.py") && files.contains("mantyx.toml"), "{files}");
    let diff = person.types("diff weather 1").done();
    for change in ["-print('rain')\n+print('sun')\n", "-WORD = 'one'\n+WORD = 'two'\n"] {
        assert!(diff.contains(change), "{diff}");
    }
    assert_eq!(person.types("cat weather main.py").done(), "print('sun')\n");
    assert_eq!(person.types("cat weather main.py --release 1").done(), "print('rain')\n");
    assert!(person.types("cat weather other.py").refused(1).contains("`other.py`"));

    assert_eq!(person.types("rollback weather").done(), "`weather` is at release 1 again\n");
    let nothing = person.types("rollback weather").refused(1);
    assert!(nothing.contains("no release before 1") && nothing.contains("hint: "), "{nothing}");
    assert_eq!(person.types("rollback weather --to 2").done(), "`weather` is at release 2 again\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_that_is_not_well_goes_back_by_itself_and_says_so() {
    let person = Person::begin().await;
    let good = person.writes("pulse.py", apps::sleeper_script());
    person.types(&format!("deploy {good}")).done();
    let bad = person.writes("bad.py", &apps::failing_script(3));
    let update = person.types(&format!("update pulse {bad}"));
    assert!(update.out.is_empty(), "{update:?}");
    let said = update.refused(1);
    assert!(said.contains("\nerror: ") && said.contains("\nfailed at: "), "{said}");
    assert!(said.contains("\nundone: everything is as it was\n"), "{said}");
    let app = person.app("pulse").await;
    assert_eq!((app.state, app.release), (AppState::Running, Some(1)));

    let again = person.types(&format!("update pulse {bad} --json"));
    let operation = again.json();
    assert_eq!((&operation["kind"], &operation["status"]), (&json!("update"), &json!("failed")));
    again.refused(1);
    let new = person.writes("pulse.py", &format!("{}# new\n", apps::sleeper_script()));
    let update = person.types(&format!("update pulse {new} --json"));
    assert_eq!(update.json()["status"], "succeeded");
    update.done();
    assert_eq!(person.app("pulse").await.state, AppState::Running);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_brings_back_what_was_changed() {
    let person = Person::begin().await;
    person.deploys_job("job");
    assert!(person.types("backup ls job").done().contains("`mantyx backup create APP`"));
    person.types("set job env.WORD=one").done();
    assert!(person.types("backup create job --data").done().contains("`mantyx backup ls job` lists it"));
    let ids = || {
        let listed = person.types("backup ls job --json").json();
        let ids = listed.as_array().unwrap().iter().map(|backup| backup["id"].as_str().unwrap().to_owned());
        ids.collect::<Vec<_>>()
    };
    let [id] = &ids()[..] else { panic!("there is one backup") };
    let listed = person.types("backup ls job").done();
    assert!(listed.contains(id) && listed.contains("asked for"), "{listed}");

    person.types("set job env.WORD=two").done();
    assert_eq!(person.types(&format!("backup restore job {id}")).done(), "`job` is as it was kept\n");
    assert!(person.types("config job").done().lines().any(|line| line.ends_with("  one")));
    // What has the same packages shares an environment.
    let environments = fs::read_dir(person.mantyx.root().join("venvs/job")).unwrap().map(Result::unwrap);
    assert_eq!(environments.filter(|entry| entry.file_type().unwrap().is_dir()).count(), 1);
    for destroys in [format!("backup restore job {id} --data"), format!("backup rm job {id}")] {
        assert!(person.types(&destroys).refused(2).contains("confirm with --yes"), "{destroys}");
    }
    person.types(&format!("backup rm job {id} --yes")).done();
    assert!(!ids().contains(id));
    assert!(person.types(&format!("backup restore job {id}")).refused(1).contains("error: "));
}

#[tokio::test(flavor = "multi_thread")]
async fn names_packages_and_settings_are_a_command_each() {
    let person = Person::begin().await;
    person.deploys_job("job");
    person.deploys_job("other");
    assert!(person.types("rename job other").refused(1).contains("error: "));
    assert_eq!(person.types("rename job best").done(), "`job` is called `best` now\n");
    assert_eq!(person.app("best").await.release, Some(1));
    let packages = person.types("dependencies best").done();
    assert!(packages.contains("Built by") && packages.ends_with("It needs no packages\n"), "{packages}");
    assert_eq!(person.types("dependencies best --outdated").done(), "All packages are the newest\n");

    let refused = person.types("settings set releases_kept many").refused(1);
    assert!(refused.contains("releases_kept"), "{refused}");
    assert!(person.types("settings set colour red").refused(1).contains("colour"));
    let settings = fs::read_to_string(person.mantyx.root().join("config/mantyx.toml")).unwrap_or_default();
    assert!(!settings.contains("colour") && !settings.contains("many"), "{settings}");
    assert_eq!(person.types("settings set releases_kept 3").done(), "`releases_kept` is 3 now\n");
    let row = |said: &str| said.lines().find(|line| line.starts_with("releases_kept")).map(str::to_owned);
    assert!(row(&person.types("settings").done()).unwrap().contains(" 3 "));
    assert_eq!(person.types("settings unset releases_kept").done(), "`releases_kept` is 5 now\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_secret_holds_is_told_once_and_in_one_direction() {
    let person = Person::begin().await;
    assert!(person.types("secret ls").done().contains("`mantyx secret set NAME`"));
    let token = person.writes("token", "s3cret\n");
    let set = person.pipes(Path::new(&token), "secret set forge --kind token --host github.com");
    assert_eq!(set.done(), "`forge` is set, and is sent to `github.com` alone\n");
    let key = person.writes("key", "-----BEGIN OPENSSH PRIVATE KEY-----\ns3cret\n-----END\n");
    person.types(&format!("secret set deploy --kind ssh-key --file {key}")).done();
    let public = person.types(&format!("secret set deploy --kind ssh-key --file {token}")).refused(1);
    assert!(public.contains("hint: ") && !public.contains("s3cret"), "{public}");
    let locked = person
        .pipes(Path::new(&token), &format!("secret set locked --kind ssh-key --file {key} --passphrase"));
    locked.done();
    for line in ["secret ls", "secret ls --json"] {
        let listed = person.types(line).done();
        let all = ["forge", "github.com", "deploy", "locked"];
        assert!(all.iter().all(|word| listed.contains(word)) && !listed.contains("s3cret"), "{listed}");
    }

    let repository = GitRepository::create(&[("main.py", "print('one')\n")]);
    let deploy = format!("deploy {} --name tool --type scheduled", repository.url());
    person.types(&deploy).done();
    for line in [deploy.replace("tool", "other"), "update tool".to_owned()] {
        let unknown = person.types(&format!("{line} --credential nobody")).refused(1);
        assert!(unknown.contains("`nobody`") && unknown.contains("`mantyx secret set`"), "{unknown}");
        let unfit = person.types(&format!("{line} --credential deploy")).refused(1);
        assert!(unfit.contains("takes an SSH key"), "{unfit}");
    }
    let script = person.writes("job.py", apps::hello_script());
    assert!(
        person.types(&format!("deploy {script} --credential deploy")).refused(2).contains("--credential")
    );
    person.types("secret rm forge").done();
    person.types("secret rm forge").refused(1);
    assert!(!person.mantyx.log().contains("s3cret"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_is_followed_by_one_command() {
    let person = Person::begin().await;
    let repository = GitRepository::create(&[("main.py", "print('one')\n")]);
    person.types(&format!("deploy {} --name tool --type scheduled", repository.url())).done();
    assert!(person.types("track tool").done().contains("Mode        off\n"));
    let early = person.types("hook create tool").refused(1);
    assert!(early.contains("`mantyx track`"), "{early}");
    let wrong = person.types_words(&["track", "tool", "--schedule", "noon"]).refused(1);
    assert!(wrong.contains("noon"), "{wrong}");
    let followed = person.types("track tool --mode notify");
    assert!(followed.err.contains("`mantyx hook create tool`"), "{followed:?}");
    let followed =
        person.types_words(&["track", "tool", "--mode", "apply", "--schedule", "0 4 * * *"]).done();
    assert!(followed.contains("Mode        apply\n") && followed.contains("At 04:00"), "{followed}");

    let newest = "is the newest one, and active";
    assert!(person.types("track tool --check").done().contains(newest));
    repository.commit("Say two", &[("main.py", "print('two')\n")]);
    let taken = person.types("track tool --check");
    assert!(taken.err.contains("`tool` is at release 2; `mantyx rollback tool` goes back\n"), "{taken:?}");
    assert!(taken.done().contains("is being taken into use"));
    assert_eq!(person.types("cat tool main.py").done(), "print('two')\n");

    let hook = person.types("hook create tool --json").json();
    let (secret, old) = (hook["secret"].as_str().unwrap(), hook["path"].as_str().unwrap());
    let made = person.types("hook create tool");
    assert!(!made.out.contains(secret), "another one each time");
    let address = made.done().lines().find_map(|line| line.strip_prefix("Address  ").map(str::to_owned));
    let path = address.unwrap().strip_prefix(&person.mantyx.url()).unwrap().to_owned();
    let stranger = person.mantyx.client().without_token();
    stranger.post::<Value>(&path, json!({})).await.unwrap();
    assert_eq!(stranger.post::<Value>(old, json!({})).await.unwrap_err().status, 404);
    person.types("hook rm tool").done();
    person.types("track tool --off").done();
    assert!(person.types("track tool").done().contains("Mode        off\n"));
    let operations: Page<OperationView> = person.mantyx.client().get("/api/operations").await.unwrap();
    let updates = operations.items.iter().filter(|operation| operation.kind == OperationKind::Update);
    assert_eq!(updates.count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_knows_is_listed_and_left() {
    let person = Person::begin().await;
    assert_eq!(person.types("reconcile").done(), "All is as it should be\n");
    let stranger = person.mantyx.root().join("apps/stranger");
    fs::create_dir(&stranger).unwrap();
    let found = person.types("reconcile").done();
    assert!(found.contains("apps/stranger`") && found.ends_with("for you to decide\n"), "{found}");
    assert_eq!(person.types("reconcile --json").json()["findings"][0]["outcome"], "reported");
    assert!(stranger.is_dir());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_own_files_of_an_app_are_put_listed_fetched_and_removed() {
    let person = Person::begin().await;
    person.deploys_job("weather");
    let table = person.writes("table.csv", "town,rain\n");
    assert_eq!(
        person.types(&format!("data put weather in/table.csv {table}")).done(),
        "`in/table.csv` has 10 B\n"
    );
    assert!(person.types("data ls weather").done().contains("in    folder"));
    assert!(person.types("data ls weather in").done().contains("table.csv"));
    assert_eq!(person.types("data get weather in/table.csv").done(), "town,rain\n");
    let copy = person.desk.join("copy.csv");
    person.types(&format!("data get weather in/table.csv {}", copy.display())).done();
    assert_eq!(fs::read_to_string(&copy).unwrap(), "town,rain\n");
    let hint = person.types("data get weather in").refused(1);
    assert!(hint.contains("`in` is a folder") && hint.contains("mantyx data ls weather in"), "{hint}");
    assert!(person.types("data ls weather in/table.csv").refused(1).contains("is a file"));
    assert!(person.types("data rm weather in").refused(1).contains("not empty"));
    person.types("data rm weather in --recursive").done();
    assert!(!person.types("data ls weather").done().contains("folder  in"));
}
