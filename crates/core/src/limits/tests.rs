//! Limits, read and written.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

#[test]
fn limits_have_bounds() {
    assert!(Limits::default().check().is_empty());
    let wrong = Limits {
        memory: Some(1),
        processes: Some(0),
        open_files: Some(3),
        nice: Some(20),
        oom_score: Some(-1001),
        cpu: None,
    };
    assert_eq!(wrong.check().len(), 5);
}

proptest! {
    #[test]
    fn processors_come_back_as_they_were(thousandths in 10u32..4_096_000) {
        let cores = Cores::from_thousandths(thousandths);
        let text = serde_json::to_string(&cores).unwrap();
        prop_assert_eq!(serde_json::from_str::<Cores>(&text).unwrap(), cores);
    }
}

#[test]
fn memory_is_said_in_bytes_or_with_a_unit() {
    let memory = |text: &str| serde_json::from_str::<Limits>(&format!("{{\"memory\":{text}}}"));
    assert_eq!(memory("268435456").unwrap(), memory("\"256 MiB\"").unwrap());
    assert_eq!(memory("\"1g\"").unwrap().memory, Some(1 << 30));
    assert_eq!(memory("null").unwrap().memory, None);
    for wrong in ["\"much\"", "\"1.5 GiB\"", "-1", "\"99999999999 TiB\""] {
        assert!(memory(wrong).is_err(), "{wrong}");
    }
    assert!(memory("\"2 XiB\"").unwrap_err().to_string().contains("2 XiB"));
}

#[test]
fn no_processor_at_all_is_no_limit() {
    for text in ["0", "-1", "1e9", "null"] {
        assert!(serde_json::from_str::<Cores>(text).is_err(), "{text}");
    }
}

#[test]
fn no_limit_is_a_word() {
    let read = |value: Value| serde_json::from_value::<Limits>(value);
    let free = json!({"memory": "unlimited", "cpu": "unlimited", "processes": "Unlimited", "open_files": "unlimited"});
    assert_eq!(read(free).unwrap(), Limits::NONE);
    let null = json!({"memory": null, "cpu": null, "processes": null, "open_files": null});
    assert_eq!(read(null).unwrap(), Limits::default());
    assert_eq!(read(json!({})).unwrap().processes, Some(4096));
    for (field, value) in [
        ("processes", json!("many")),
        ("processes", json!(-1)),
        ("processes", json!(1.5)),
        ("cpu", json!("2 cores")),
        ("cpu", json!(0)),
        ("open_files", json!([1])),
        ("nice", json!("unlimited")),
    ] {
        assert!(read(json!({field: value.clone()})).is_err(), "{field}: {value}");
    }
    let wrong = |field: &str, value: &str| read(json!({field: value})).unwrap_err().to_string();
    assert!(
        wrong("processes", "many").contains("`many`") && wrong("processes", "many").contains("`unlimited`")
    );
    assert!(wrong("memory", "much").contains("`much`") && wrong("memory", "much").contains("`unlimited`"));
}

fn any_limits() -> impl Strategy<Value = Limits> {
    use proptest::option::of;
    let cores = (10u32..4_096_000).prop_map(Cores::from_thousandths);
    let counts = (of(LEAST_MEMORY..1 << 50), of(cores), of(1u32..4_194_304), of(16u32..1_073_741_816));
    (counts, of(-20i8..=19), of(-1000i16..=1000)).prop_map(
        |((memory, cpu, processes, open_files), nice, oom_score)| Limits {
            memory,
            cpu,
            processes,
            open_files,
            nice,
            oom_score,
        },
    )
}

proptest! {
    #[test]
    fn limits_are_read_as_they_were_written(limits in any_limits()) {
        let written = serde_json::to_value(limits).unwrap();
        prop_assert_eq!(serde_json::from_value::<Limits>(written).unwrap(), limits);
    }

    /// What was read can be sent back as a merge patch, onto whatever there is.
    #[test]
    fn limits_survive_a_merge_patch(limits in any_limits(), before in any_limits()) {
        let mut whole = crate::Configuration::new(crate::Launch::Console("x".into()));
        whole.limits = before;
        let patch = json!({"limits": limits});
        prop_assert_eq!(whole.patched(patch.as_object().unwrap()).unwrap().limits, limits);
    }
}
