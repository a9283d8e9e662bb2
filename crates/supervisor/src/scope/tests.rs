//! A systemd that is played by the test, on a connection without a bus.

use std::collections::BTreeMap;
use std::os::unix::net::UnixStream;

use futures_util::FutureExt as _;
use zbus::Guid;
use zbus::OwnedVariant;
use zbus::message::Message;

use super::*;

type Properties = Vec<(String, OwnedVariant)>;
type Auxiliary = Vec<(String, Properties)>;

const JOB: &str = "/org/freedesktop/systemd1/job/7";

/// How the other side behaves.
#[derive(Clone, Copy)]
enum Behaviour {
    /// The job ends like this, after that of another unit.
    Result(&'static str),
    /// As before version 253.
    RefusesOomPolicy,
    /// It refuses.
    Refuses,
    /// It hangs up in the middle of the job.
    HangsUp,
    /// It answers only when as many ask as may ask together.
    Crowded,
}

/// What systemd was asked, as text that shows every type.
type Asked = tokio::task::JoinHandle<Vec<(String, BTreeMap<String, String>)>>;

async fn systemd(behaviour: Behaviour) -> (ScopeManager, Asked) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let server = connection::Builder::unix_stream(theirs).server(Guid::generate()).p2p();
    let asked =
        tokio::spawn(async move { serve(server.build_message_stream().await.unwrap(), behaviour).await });
    let manager = ScopeManager::with(connection::Builder::unix_stream(ours).p2p()).await.unwrap();
    (manager, asked)
}

async fn serve(mut calls: MessageStream, behaviour: Behaviour) -> Vec<(String, BTreeMap<String, String>)> {
    let (mut asked, mut crowd) = (Vec::new(), Vec::new());
    while let Some(Ok(call)) = calls.next().await {
        let connection = Connection::from(&calls);
        let (method, properties) = read(&call);
        let has_policy = properties.contains_key("OOMPolicy");
        asked.push((method.clone(), properties));
        if method != "StartTransientUnit" {
            connection.reply(&call.header(), &()).await.unwrap();
            continue;
        }
        match behaviour {
            Behaviour::Result(result) => end_job(&connection, &call, result).await,
            Behaviour::RefusesOomPolicy if !has_policy => end_job(&connection, &call, "done").await,
            Behaviour::RefusesOomPolicy => {
                let error = fdo::Error::PropertyReadOnly("Cannot set property OOMPolicy".into());
                connection.reply_dbus_error(&call.header(), error).await.unwrap();
            }
            Behaviour::Refuses => {
                let error = fdo::Error::AccessDenied("Permission denied".into());
                connection.reply_dbus_error(&call.header(), error).await.unwrap();
            }
            Behaviour::Crowded => {
                crowd.push(call);
                if crowd.len() == TOGETHER {
                    assert!(calls.next().now_or_never().is_none(), "one more asks");
                    for call in crowd.drain(..) {
                        end_job(&connection, &call, "done").await;
                    }
                }
            }
            Behaviour::HangsUp => {
                connection.reply(&call.header(), &OwnedObjectPath::try_from(JOB).unwrap()).await.unwrap();
                return asked;
            }
        }
    }
    asked
}

/// The method with the properties that it was given; its signature is part of the name where it matters.
fn read(call: &Message) -> (String, BTreeMap<String, String>) {
    let header = call.header();
    assert_eq!(header.path().unwrap().as_str(), "/org/freedesktop/systemd1");
    assert_eq!(header.interface().unwrap().as_str(), "org.freedesktop.systemd1.Manager");
    let body = call.body();
    let properties: Properties = match header.member().unwrap().as_str() {
        "StartTransientUnit" => {
            assert_eq!(body.signature().to_string(), "(ssa(sv)a(sa(sv)))");
            let (unit, mode, properties, auxiliary): (String, String, Properties, Auxiliary) =
                body.deserialize().unwrap();
            assert_eq!((unit.as_str(), mode.as_str(), auxiliary.len()), ("mantyx-x.scope", "fail", 0));
            properties
        }
        "SetUnitProperties" => {
            let (unit, runtime, properties): (String, bool, Properties) = body.deserialize().unwrap();
            assert_eq!((unit.as_str(), runtime), ("mantyx-x.scope", true));
            properties
        }
        _ => Vec::new(),
    };
    // As GVariant writes it, which shows the type of every number.
    let in_words = |value: &OwnedVariant| Variant::from(value.clone()).to_string();
    let properties = properties.iter().map(|(name, value)| (name.clone(), in_words(value))).collect();
    (header.member().unwrap().to_string(), properties)
}

async fn end_job(connection: &Connection, call: &Message, result: &str) {
    let job = OwnedObjectPath::try_from(JOB).unwrap();
    connection.reply(&call.header(), &job).await.unwrap();
    for (unit, result) in [("other.service", "canceled"), ("mantyx-x.scope", result)] {
        let body = (7u32, &job, unit, result);
        connection.emit_signal(None::<&str>, PATH, MANAGER, "JobRemoved", &body).await.unwrap();
    }
}

fn scope() -> SystemdScope {
    SystemdScope {
        unit: "mantyx-x.scope".to_owned(),
        slice: "mantyx.slice".to_owned(),
        description: "Mantyx execution x".to_owned(),
        memory: Some(64 << 20),
        cpu: Some(1_500_000),
        weight: 100,
        tasks: Some(21),
    }
}

fn table(rows: &[(&str, &str)]) -> BTreeMap<String, String> {
    rows.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[tokio::test]
async fn a_scope_is_asked_for_with_all_its_properties() {
    let (manager, asked) = systemd(Behaviour::Result("done")).await;
    manager.start(&scope(), 4711).await.unwrap();
    drop(manager);
    let asked = asked.await.unwrap();
    assert_eq!(asked[0].0, "Subscribe");
    let expected = table(&[
        ("PIDs", "[uint32 4711]"),
        ("Description", "\"Mantyx execution x\""),
        ("Slice", "\"mantyx.slice\""),
        ("CollectMode", "\"inactive-or-failed\""),
        ("MemoryAccounting", "true"),
        ("TasksAccounting", "true"),
        ("OOMPolicy", "\"continue\""),
        ("MemoryMax", "uint64 67108864"),
        ("MemorySwapMax", "uint64 0"),
        ("CPUQuotaPerSecUSec", "uint64 1500000"),
        ("CPUWeight", "uint64 100"),
        ("TasksMax", "uint64 21"),
    ]);
    assert_eq!(asked[1], ("StartTransientUnit".to_owned(), expected));
    assert_eq!(asked.len(), 2);
}

#[tokio::test]
async fn an_older_systemd_is_asked_again_without_what_it_does_not_know() {
    let (manager, asked) = systemd(Behaviour::RefusesOomPolicy).await;
    manager.start(&scope(), 4711).await.unwrap();
    drop(manager);
    let asked = asked.await.unwrap();
    let policies: Vec<bool> =
        asked.iter().skip(1).map(|(_, given)| given.contains_key("OOMPolicy")).collect();
    assert_eq!(policies, [true, false]);
}

#[tokio::test]
async fn a_job_that_fails_is_an_error() {
    let (manager, _asked) = systemd(Behaviour::Result("failed")).await;
    let error = manager.start(&scope(), 4711).await.unwrap_err();
    assert_eq!(error.detail(), "Systemd could not make `mantyx-x.scope`: its job ended as failed");
}

#[tokio::test]
async fn a_refusal_is_said() {
    let (manager, _asked) = systemd(Behaviour::Refuses).await;
    let error = manager.start(&scope(), 4711).await.unwrap_err();
    assert!(error.detail().contains("Permission denied"), "{}", error.detail());
}

#[tokio::test]
async fn a_systemd_that_hangs_up_is_not_waited_for() {
    let (manager, _asked) = systemd(Behaviour::HangsUp).await;
    let error = manager.start(&scope(), 4711).await.unwrap_err();
    assert_eq!(error.code(), Code::Unavailable);
}

#[tokio::test]
async fn no_more_ask_together_than_the_bus_lets() {
    let (manager, asked) = systemd(Behaviour::Crowded).await;
    let scope = scope();
    let starts = (0..3 * TOGETHER).map(|_| manager.start(&scope, 4711));
    let started = futures_util::future::join_all(starts).await;
    assert!(started.iter().all(Result::is_ok), "{started:?}");
    drop(manager);
    assert_eq!(asked.await.unwrap().len(), 1 + 3 * TOGETHER);
}

#[tokio::test]
async fn limits_that_are_gone_are_taken_back() {
    let (manager, asked) = systemd(Behaviour::Result("done")).await;
    let free = SystemdScope { memory: None, cpu: None, tasks: None, weight: 32, ..scope() };
    manager.adjust(&free).await.unwrap();
    drop(manager);
    let infinity = format!("uint64 {}", u64::MAX);
    let expected = table(&[
        ("MemoryMax", &infinity),
        ("MemorySwapMax", &infinity),
        ("CPUQuotaPerSecUSec", &infinity),
        ("CPUWeight", "uint64 32"),
        ("TasksMax", &infinity),
    ]);
    assert_eq!(asked.await.unwrap()[1], ("SetUnitProperties".to_owned(), expected));
}
