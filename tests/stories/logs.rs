//! Logs: past and live, of both streams, across executions and segments; searched, and removed when they are old.

use std::path::{Path, PathBuf};

use mantyx_api_types::{LogLine, LogStream, OperationView, Page, ScheduleView, TrashedAppView};
use mantyx_core::{AppName, ExecutionId, OperationStatus};
use mantyx_test_support::{Client, PATIENCE, TestMantyx, apps, wait_until};
use reqwest::{Method, Response};
use serde_json::json;

const SCRIPT: &str =
    "import sys\nfor number in range(50):\n    print('out', number)\nprint('err', file=sys.stderr)\n";

#[tokio::test(flavor = "multi_thread")]
async fn the_last_lines_and_the_streams_can_be_asked_for() {
    let mantyx = TestMantyx::start().await;
    let client = mantyx.client();
    let fields = [("type", "scheduled"), ("name", "lines")];
    let name = client.upload_script("lines.py", SCRIPT, &fields).await.unwrap().app.name;
    client.install_and_enable(&name).await;
    client.event(&name, "run").await.unwrap();
    client.wait_for_app(&name, "have run", |app| app.last_execution.is_some()).await;
    let lines = async |query: &str| -> Vec<LogLine> {
        let page: Page<LogLine> = client.get(&format!("/api/apps/{name}/logs?{query}")).await.unwrap();
        page.items
    };
    assert_eq!(lines("").await.len(), 51);
    let errors = lines("stream=stderr").await;
    assert_eq!((errors.len(), errors[0].text.as_str(), errors[0].stream), (1, "err", LogStream::Stderr));
    let last: Vec<String> = lines("stream=stdout&tail=2").await.into_iter().map(|line| line.text).collect();
    assert_eq!(last, ["out 48", "out 49"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_followed_across_a_restart() {
    let mantyx = TestMantyx::start().await;
    let client = mantyx.client();
    let name = client.upload_script("tick.py", apps::ticker_script(), &[]).await.unwrap().app.name;
    client.install_and_enable(&name).await;
    let mut log = Followed::begin(client, &name, "tail=0").await;
    log.read_until("tick", 3).await;
    client.event(&name, "restart").await.unwrap();
    log.read_until("\"tick 1\"", 1).await;
}

/// It says who it is, then again whenever its file is there, and ends when the file is gone.
const CALLER: &str = "import os, time
me = os.environ['MANTYX_EXECUTION_ID']
call = os.path.join(os.environ['APP_DATA_DIR'], me)
os.write(1, f'begun {me}\\n'.encode())
while not os.path.exists(call):
    time.sleep(0.02)
os.write(1, f'called {me}\\n'.encode())
";

/// A bar of progress as many programs draw it: one line that begins anew, and ends when all is done.
const BAR: &str = "import sys, time
print('loading', flush=True)
for percent in range(10_000):
    sys.stdout.write(f'\\r{percent} per mille')
    sys.stdout.flush()
    time.sleep(0.1)
";

#[tokio::test(flavor = "multi_thread")]
async fn a_line_is_followed_before_it_ends() {
    let mantyx = TestMantyx::start().await;
    let client = mantyx.client();
    let name = client.upload_script("bar.py", BAR, &[]).await.unwrap().app.name;
    client.install_and_enable(&name).await;
    let mut log = Followed::begin(client, &name, "tail=0").await;
    log.read_until("per mille", 2).await;
    let lines: Page<LogLine> = client.get(&format!("/api/apps/{name}/logs")).await.unwrap();
    assert_eq!((lines.items[0].text.as_str(), lines.items[0].partial), ("loading", false));
    assert!(lines.items[1].partial && lines.items[1].text.starts_with("\r0 per mille"), "{lines:?}");
    let text = client.get_text(&format!("/api/apps/{name}/logs?download=true")).await.unwrap();
    assert!(text.lines().all(|line| !line.is_empty()) && text.matches("Z ").count() == 2, "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_that_were_parallel_before_it_began_are_all_followed() {
    let mantyx = TestMantyx::start().await;
    let client = mantyx.client();
    let fields = [("type", "scheduled"), ("name", "beside")];
    let name = client.upload_script("beside.py", CALLER, &fields).await.unwrap().app.name;
    let timing = json!({ "kind": "interval", "seconds": 86400 });
    let spec = json!({ "timing": timing, "timezone": "UTC", "overlap": "parallel" });
    let body = json!({ "app": name, "name": "daily", "spec": spec });
    let _: ScheduleView = client.post("/api/schedules", body).await.unwrap();
    client.install_and_enable(&name).await;
    let first = run(client, &name).await;
    let second = run(client, &name).await;
    let mut log = Followed::begin(client, &name, "tail=0").await;
    let call = |id: ExecutionId| {
        std::fs::write(mantyx.root().join(format!("apps/{name}/data/{id}")), "").unwrap();
    };
    call(first);
    log.read_until(&format!("called {first}"), 1).await;
    let third = run(client, &name).await;
    log.read_until(&format!("begun {third}"), 1).await;
    [second, third].into_iter().for_each(call);
    log.read_until(&format!("called {second}"), 1).await;
    log.read_until(&format!("called {third}"), 1).await;
    assert_eq!(log.text.matches("begun").count(), 1, "what was there before is not in a tail of none");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_of_an_old_run_is_there_under_the_new_name() {
    let mantyx = TestMantyx::start().await;
    let client = mantyx.client();
    let fields = [("type", "scheduled"), ("name", "wiki")];
    let name = client.upload_script("w.py", apps::hello_script(), &fields).await.unwrap().app.name;
    client.install_and_enable(&name).await;
    client.event(&name, "run").await.unwrap();
    client.wait_for_app(&name, "have run", |app| app.last_execution.is_some()).await;
    let run = client.executions(&name).await.unwrap()[0].id;
    let path = format!("/api/apps/{name}?confirm={name}&wait=60");
    let deleted: OperationView = client.delete(&path).await.unwrap();
    assert_eq!(deleted.status, OperationStatus::Succeeded);
    let trash: Page<TrashedAppView> = client.get("/api/trash").await.unwrap();
    let path = format!("/api/trash/{}/restore?wait=60", trash.items[0].id);
    let restored: OperationView = client.post(&path, json!({ "name": "old-wiki" })).await.unwrap();
    assert_eq!(restored.status, OperationStatus::Succeeded, "{restored:?}");
    // Another app has the name now, and none of the runs.
    client.upload_script("w.py", apps::hello_script(), &fields).await.unwrap();
    let log: Page<LogLine> = client.get(&format!("/api/apps/old-wiki/logs?execution={run}")).await.unwrap();
    assert_eq!(log.items[0].text, "hello");
    let other = client.get::<Page<LogLine>>(&format!("/api/apps/wiki/logs?execution={run}")).await;
    assert_eq!(other.unwrap_err().status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_readers_share_one_inotify_instance() {
    let mantyx = TestMantyx::start().await;
    let client = mantyx.client();
    let name = client.upload_script("tick.py", apps::ticker_script(), &[]).await.unwrap().app.name;
    client.install_and_enable(&name).await;
    let before = inotify_instances(mantyx.pid());
    let mut readers = Vec::new();
    for _ in 0..20 {
        readers.push(Followed::begin(client, &name, "tail=0").await);
    }
    for reader in &mut readers {
        reader.read_until("tick", 1).await;
    }
    let during = inotify_instances(mantyx.pid());
    assert!(during <= before + 1, "{before} instances became {during}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rare_lines_of_a_large_log_are_found_by_stream_and_time() {
    let mantyx = TestMantyx::start().await;
    let client = mantyx.client();
    let script = "import sys\nprint('first', file=sys.stderr)\nfor number in range(300_000):\n    print('out', number)\nsys.stdout.flush()\nprint('last', file=sys.stderr)\n";
    let fields = [("type", "scheduled"), ("name", "large"), ("env", r#"{"PYTHONUNBUFFERED": ""}"#)];
    let name = client.upload_script("large.py", script, &fields).await.unwrap().app.name;
    client.install_and_enable(&name).await;
    client.event(&name, "run").await.unwrap();
    client.wait_for_app(&name, "have run", |app| app.last_execution.is_some()).await;
    let path = format!("/api/apps/{name}/logs");
    let errors: Page<LogLine> = client.get(&format!("{path}?stream=stderr")).await.unwrap();
    let texts: Vec<&str> = errors.items.iter().map(|line| line.text.as_str()).collect();
    assert_eq!(texts, ["first", "last"]);
    let at = |line: &LogLine| line.at.to_rfc3339_opts(chrono::SecondsFormat::Nanos, true);
    let until = at(&errors.items[1]);
    let query = format!("stream=stderr&since={}&until={until}", at(&errors.items[0]));
    let between: Page<LogLine> = client.get(&format!("{path}?{query}")).await.unwrap();
    assert_eq!(between.items.len(), 1);
    let all = client.get_text(&format!("{path}?download=true&stream=stdout")).await.unwrap();
    assert_eq!(all.lines().count(), 300_000);
    let capped = client.get_text(&format!("{path}?download=true&tail=200000")).await.unwrap();
    assert_eq!(capped.lines().count(), 100_000);
}

/// A hundred thousand lines of which few are special, on both streams.
const NEEDLES: &str = "import sys
for number in range(100_000):
    if number % 10_000 == 7:
        print('Needle', number, file=sys.stderr, flush=True)
    else:
        print('hay', number)
";

#[tokio::test(flavor = "multi_thread")]
async fn a_log_of_many_segments_is_searched_as_one() {
    let mantyx = TestMantyx::builder().setting("log_segment_size", "1 MiB").start().await;
    let client = mantyx.client();
    let fields = [("type", "scheduled"), ("name", "needles"), ("env", r#"{"PYTHONUNBUFFERED": ""}"#)];
    let name = client.upload_script("needles.py", NEEDLES, &fields).await.unwrap().app.name;
    client.install_and_enable(&name).await;
    client.event(&name, "run").await.unwrap();
    client.wait_for_app(&name, "have run", |app| app.last_execution.is_some()).await;
    let run = client.executions(&name).await.unwrap()[0].id;
    let segment = compress_second_segment(mantyx.root(), run);
    assert!(segment.exists());
    let path = format!("/api/apps/{name}/logs");
    let texts = async |query: &str| -> Vec<String> {
        let page: Page<LogLine> = client.get(&format!("{path}?{query}")).await.unwrap();
        page.items.into_iter().map(|line| line.text).collect()
    };
    let needles: Vec<String> = (0..10).map(|n| format!("Needle {}", n * 10_000 + 7)).collect();
    assert_eq!(texts("grep=Needle").await, needles);
    assert_eq!(texts("grep=needle").await, [""; 0]);
    assert_eq!(texts("grep=needle&ignore_case=true&tail=3").await, needles[7..]);
    assert_eq!(texts("grep=%5ENeedle%20%5B34%5D&regex=true").await, needles[3..5]);
    assert_eq!(texts("grep=7777&stream=stderr").await, [""; 0]);
    assert_eq!(texts("grep=77777").await, ["hay 77777"]);
    let all = client.get_text(&format!("{path}?download=true&grep=hay")).await.unwrap();
    assert_eq!(all.lines().count(), 99_990);
    let found: Page<LogLine> = client.get(&format!("{path}?grep=Needle")).await.unwrap();
    let last = found.items[9].at;
    // Lines that were read at once share one moment.
    let from_last = found.items.iter().filter(|line| line.at >= last).count();
    assert!(from_last < 10, "all lines have one moment");
    let since = last.to_rfc3339_opts(chrono::SecondsFormat::Nanos, true);
    assert_eq!(texts(&format!("grep=Needle&since={since}")).await, needles[10 - from_last..]);
    let bad = client.get::<Page<LogLine>>(&format!("{path}?grep=a(b&regex=true")).await.unwrap_err();
    assert_eq!(bad.status, 422);
    let said = format!("{bad:?}");
    assert!(
        said.contains("grep") && said.contains("character 2") && said.contains("unclosed group"),
        "{said}"
    );
}

/// As a monitor does when a burst is over, with the tool that people have. Its monitor may have done it already, if this
/// machine was slow.
fn compress_second_segment(root: &Path, run: ExecutionId) -> PathBuf {
    let apps = std::fs::read_dir(root.join("logs")).unwrap();
    let segments = apps.map(|app| app.unwrap().path().join(format!("{run}.1.log")));
    let is_there = |segment: &PathBuf| segment.exists() || segment.with_extension("log.gz").exists();
    let segment = segments.into_iter().find(is_there).expect("a second segment");
    if segment.exists() {
        assert!(std::process::Command::new("gzip").arg(&segment).status().unwrap().success());
    }
    segment.with_extension("log.gz")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_follows_what_comes() {
    let mantyx = TestMantyx::start().await;
    let client = mantyx.client();
    let name = client.upload_script("tick.py", apps::ticker_script(), &[]).await.unwrap().app.name;
    client.install_and_enable(&name).await;
    let mut log = Followed::begin(client, &name, "tail=0&grep=tick%20%5B0-9%5D*3%24&regex=true").await;
    log.read_until("tick", 2).await;
    let lines = log.text.lines().filter(|line| line.contains("tick"));
    assert!(lines.clone().all(|line| line.contains("3\"")), "{}", log.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn old_logs_go_when_the_daemon_comes_up() {
    let mut mantyx = TestMantyx::builder().setting("log_retention", "2 days").start().await;
    let client = mantyx.client();
    let fields = [("type", "scheduled"), ("name", "old")];
    let name = client.upload_script("h.py", apps::hello_script(), &fields).await.unwrap().app.name;
    client.install_and_enable(&name).await;
    client.event(&name, "run").await.unwrap();
    client.wait_for_app(&name, "have run", |app| app.last_execution.is_some()).await;
    let runs = client.executions(&name).await.unwrap();
    mantyx.stop().await;
    let folders = std::fs::read_dir(mantyx.root().join("logs")).unwrap();
    let log = folders.map(|app| app.unwrap().path().join(format!("{}.log", runs[0].id)));
    let log = log.into_iter().find(|log| log.exists()).expect("a log");
    let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(3 * 86_400);
    std::fs::File::options().append(true).open(&log).unwrap().set_modified(long_ago).unwrap();
    mantyx.start_again().await;
    wait_until("the log to go", PATIENCE, async || (!log.exists()).then_some(())).await;
    let page: Page<LogLine> = mantyx.client().get(&format!("/api/apps/{name}/logs")).await.unwrap();
    assert!(page.items.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_broke_off_goes_on_with_the_next_line() {
    let mut mantyx = TestMantyx::start().await;
    let name = mantyx.client().upload_script("tick.py", apps::ticker_script(), &[]).await.unwrap().app.name;
    mantyx.client().install_and_enable(&name).await;
    let (mut seen, mut place): (Vec<LogLine>, Option<String>) = (Vec::new(), None);
    for turn in 0..4 {
        let client = mantyx.client();
        let mut log = Followed::after(client, &name, "tail=0", place.as_deref()).await;
        log.read_until("tick", 3).await;
        let (lines, last) = log.events();
        seen.extend(lines);
        place = Some(last);
        drop(log);
        // What is written while nobody reads is told later, whoever is started anew meanwhile.
        match turn {
            0 => drop(client.event(&name, "restart").await.unwrap()),
            1 => {
                mantyx.kill_9();
                mantyx.start_again().await;
            }
            _ => {}
        }
    }
    let whole: Page<LogLine> = mantyx.client().get(&format!("/api/apps/{name}/logs")).await.unwrap();
    let begun = whole.items.iter().position(|line| *line == seen[0]).expect("the first line");
    assert_eq!(seen, whole.items[begun..begun + seen.len()]);
    let nowhere = mantyx.client().request(Method::GET, &format!("/api/apps/{name}/logs?follow=true"));
    assert_eq!(nowhere.header("Last-Event-ID", "7").send().await.unwrap().status(), 400);
}

/// It says two lines, and when it is told so, much more than is kept.
const FLOOD: &str = "import os, time
os.write(1, b'begun\\nready\\n')
while not os.path.exists(os.path.join(os.environ['APP_DATA_DIR'], 'go')):
    time.sleep(0.02)
for number in range(40):
    os.write(1, (b'x' * 99 + b'\\n') * 1024)
os.write(1, b'over\\n')
time.sleep(600)
";

#[tokio::test(flavor = "multi_thread")]
async fn who_goes_on_is_told_what_was_removed_meanwhile() {
    let builder =
        TestMantyx::builder().setting("log_segment_size", "1 MiB").setting("log_execution_size", "2 MiB");
    let mantyx = builder.start().await;
    let client = mantyx.client();
    let name = client.upload_script("flood.py", FLOOD, &[]).await.unwrap().app.name;
    client.install_and_enable(&name).await;
    let mut log = Followed::begin(client, &name, "tail=2").await;
    log.read_until("ready", 1).await;
    let place = log.events().1;
    drop(log);
    std::fs::write(mantyx.root().join("apps").join(name.as_str()).join("data/go"), "").unwrap();
    wait_until("the end of the flood", PATIENCE, async || {
        let last: Page<LogLine> = client.get(&format!("/api/apps/{name}/logs?tail=1")).await.unwrap();
        last.items.last().is_some_and(|line| line.text == "over").then_some(())
    })
    .await;
    let mut log = Followed::after(client, &name, "", Some(&place)).await;
    log.read_until("over", 1).await;
    assert!(log.text.starts_with("event: gap\ndata: \"removed\"\n\n"), "{:?}", log.text.get(..200));
}

/// Runs a scheduled app by hand and waits until it has written something.
async fn run(client: &Client, name: &AppName) -> ExecutionId {
    let known = client.executions(name).await.unwrap().len();
    client.event(name, "run").await.unwrap();
    let id = wait_until("another run", PATIENCE, async || {
        let runs = client.executions(name).await.unwrap();
        (runs.len() > known).then(|| runs[0].id)
    })
    .await;
    wait_until("its first line", PATIENCE, async || {
        let path = format!("/api/apps/{name}/logs?execution={id}");
        let log: Page<LogLine> = client.get(&path).await.unwrap();
        (!log.items.is_empty()).then_some(id)
    })
    .await
}

fn inotify_instances(pid: u32) -> usize {
    let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let targets = descriptors.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    targets.filter(|target| target.to_string_lossy().contains("inotify")).count()
}

/// A log that is followed as a stream of events.
struct Followed {
    stream: Response,
    text: String,
}

impl Followed {
    async fn begin(client: &Client, name: &AppName, query: &str) -> Self {
        Self::after(client, name, query, None).await
    }

    /// Behind the event with this id.
    async fn after(client: &Client, name: &AppName, query: &str, last: Option<&str>) -> Self {
        let path = format!("/api/apps/{name}/logs?follow=true&{query}");
        let mut request = client.request(Method::GET, &path).header("Accept", "text/event-stream");
        if let Some(last) = last {
            request = request.header("Last-Event-ID", last);
        }
        Self { stream: request.send().await.unwrap(), text: String::new() }
    }

    /// The lines of the events that are complete, and the id of the last one.
    fn events(&self) -> (Vec<LogLine>, String) {
        let whole = self.text.rsplit_once("\n\n").expect("an event").0;
        let fields = |name: &'static str| whole.lines().filter_map(move |line| line.strip_prefix(name));
        let lines = fields("data: ").map(|json| serde_json::from_str(json).unwrap()).collect();
        (lines, fields("id: ").next_back().expect("an id").to_owned())
    }

    async fn read_until(&mut self, what: &str, count: usize) {
        while self.text.matches(what).count() < count {
            let chunk = tokio::time::timeout(PATIENCE, self.stream.chunk()).await.expect(what);
            self.text.push_str(&String::from_utf8_lossy(&chunk.unwrap().expect("the stream ended")));
        }
    }
}
