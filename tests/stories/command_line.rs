//! The command line as a person has it in a terminal, for longer than a daemon lives.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use mantyx_api_types::{LogLine, Page};
use mantyx_test_support::{PATIENCE, TestMantyx, apps, wait_until};

use crate::brake::Brake;

const BROKE_OFF: &str = "The connection broke off; waiting for Mantyx …\n";
const BACK: &str = "Mantyx is back\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_followed_goes_on_under_the_next_daemon() {
    let mut mantyx = TestMantyx::start().await;
    let name = mantyx.client().upload_script("tick.py", apps::ticker_script(), &[]).await.unwrap().app.name;
    mantyx.client().install_and_enable(&name).await;
    let log = Typed::begin(&mantyx, &["logs", name.as_str(), "--follow", "--tail", "0", "--json"]);
    log.wait_for_lines(3).await;
    mantyx.kill_9();
    log.wait_until_said("that it broke off", |said| said == BROKE_OFF).await;
    mantyx.start_again().await;
    log.wait_until_said("that it is back", |said| said == [BROKE_OFF, BACK].concat()).await;
    log.wait_for_lines(log.lines().len() + 3).await;
    assert!(mantyx.stop().await.success());
    mantyx.start_again().await;
    let is_back = |said: &str| said.matches(BROKE_OFF).count() > 1 && said.ends_with(BACK);
    log.wait_until_said("that it is back once more", is_back).await;
    log.wait_for_lines(log.lines().len() + 3).await;
    let printed = log.lines();
    let path = format!("/api/apps/{name}/logs?tail=10000");
    let whole: Page<LogLine> = mantyx.client().get(&path).await.unwrap();
    let begun = whole.items.iter().position(|line| *line == printed[0]).expect("the first line");
    assert_eq!(
        printed,
        whole.items[begun..begun + printed.len()],
        "none is missing, and none is there twice"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_install_is_waited_for_until_the_next_daemon_has_undone_it() {
    let mut mantyx = TestMantyx::start().await;
    let brake = Brake::on(&mantyx);
    let name = mantyx.client().upload_archive("slow.zip", brake.archive(), &[]).await.unwrap().app.name;
    let mut install = Typed::begin(&mantyx, &["install", name.as_str()]);
    brake.wait_until_felt().await;
    mantyx.kill_9();
    install.wait_until_said("that it broke off", |said| said.contains(BROKE_OFF)).await;
    mantyx.start_again().await;
    let code = install.wait_for_its_end().await;
    let said = install.said();
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains(BACK) && said.contains("Mantyx ended in the middle"), "{said}");
}

/// A command as somebody types it who has the owner's token.
pub(crate) fn command(mantyx: &TestMantyx, arguments: &[&str]) -> Command {
    let program = fs::read_link(format!("/proc/{}/exe", mantyx.pid())).unwrap();
    let mut command = Command::new(program);
    command.args(arguments).args(["--url", &mantyx.url()]);
    command.args(["--root".as_ref(), mantyx.root().as_os_str()]);
    // A proxy that the machine may have is not asked for what is here: nobody listens there.
    command.env("http_proxy", "http://127.0.0.1:9").env_remove("no_proxy").env_remove("NO_PROXY");
    command.stdin(Stdio::null());
    command
}

/// A command that goes on beside the story, and ends with it.
struct Typed {
    process: Child,
    folder: PathBuf,
}

impl Typed {
    fn begin(mantyx: &TestMantyx, arguments: &[&str]) -> Self {
        let folder = mantyx.root().join("terminal");
        fs::create_dir(&folder).unwrap();
        let file = |name| File::create(folder.join(name)).unwrap();
        let mut command = command(mantyx, arguments);
        let process = command.stdout(file("out")).stderr(file("err")).spawn().unwrap();
        Self { process, folder }
    }

    /// The lines of a log that it has printed.
    fn lines(&self) -> Vec<LogLine> {
        let text = self.read("out");
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// What it has printed beside its result.
    fn said(&self) -> String {
        self.read("err")
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(Path::join(&self.folder, name)).unwrap()
    }

    async fn wait_for_lines(&self, count: usize) {
        let what = format!("{count} lines of {}", self.said());
        wait_until(&what, PATIENCE, async || (self.lines().len() >= count).then_some(())).await;
    }

    async fn wait_until_said(&self, what: &str, is_it: impl Fn(&str) -> bool) {
        wait_until(what, PATIENCE, async || is_it(&self.said()).then_some(())).await;
    }

    async fn wait_for_its_end(&mut self) -> Option<i32> {
        wait_until("the command to end", PATIENCE, async || self.process.try_wait().unwrap()).await.code()
    }
}

impl Drop for Typed {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
