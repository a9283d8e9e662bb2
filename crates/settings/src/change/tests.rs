//! What a change makes of the file and of the settings, and what it refuses.

use std::collections::BTreeMap;
use std::time::Duration;

use mantyx_core::Code;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::settings::SETTINGS;

const FILE: &str = "# The box in the cellar.\nbind = '[::1]:8420' # not for others\n\n# Disks are small here.\n\
                    log_retention = \"2 days\"\n";

fn load(file: &str, environment: &[(&str, &str)], flags: &[(&str, &str)]) -> Settings {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("config")).unwrap();
    std::fs::write(folder.path().join("config/mantyx.toml"), file).unwrap();
    let own = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    };
    Settings::load(Some(folder.path().into()), own(flags), own(environment).into_iter()).unwrap()
}

fn patch(value: Value) -> Patch {
    value.as_object().unwrap().clone()
}

fn days(number: u64) -> Duration {
    Duration::from_secs(number * 86_400)
}

/// What is said about the one field that is refused.
fn refusal(settings: &Settings, field: &str, value: Value) -> String {
    let error = settings.change(FILE, &patch(json!({ field: value }))).unwrap_err();
    let [refused] = error.field_errors() else { panic!("not one field: {error:?}") };
    assert_eq!((error.code(), refused.field.as_str()), (Code::Invalid, field));
    refused.detail.clone()
}

#[test]
fn a_change_touches_nothing_else_in_the_file() {
    let settings = load(FILE, &[], &[]);
    let wish = json!({ "log_retention": "72 h", "backups_kept": 3, "releases_kept": "2" });
    let change = settings.change(FILE, &patch(wish)).unwrap();
    let expected = FILE.replace("2 days", "3 days") + "backups_kept = 3\nreleases_kept = 2\n";
    assert_eq!(change.text, expected);
    assert_eq!(change.settings.log_retention, days(3));
    assert_eq!((change.settings.backups_kept, change.settings.releases_kept), (3, 2));
    assert_eq!(change.settings.bind, settings.bind);
    let first = Changed { name: "log_retention", from: json!("2 days"), to: json!("3 days") };
    assert_eq!((change.changed.len(), &change.changed[0]), (3, &first));
}

#[test]
fn null_is_the_default() {
    let settings = load(FILE, &[], &[]);
    let change =
        settings.change(FILE, &patch(json!({ "log_retention": null, "backups_kept": null }))).unwrap();
    assert_eq!(change.text, FILE.replace("log_retention = \"2 days\"\n", ""));
    assert_eq!(change.settings, load_at(&settings, &change.text));
    let back = Changed { name: "log_retention", from: json!("2 days"), to: json!("30 days") };
    assert_eq!(change.changed, [back]);
    let again = change.settings.change(&change.text, &patch(json!({ "log_retention": "30 days" }))).unwrap();
    assert_eq!((again.changed, again.text.contains("log_retention")), (vec![], true));
}

/// The settings that a daemon of the same root would have with this file.
fn load_at(settings: &Settings, text: &str) -> Settings {
    let file = settings.layout().settings_file();
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(file, text).unwrap();
    let loaded = Settings::load(Some(settings.root.clone()), BTreeMap::new(), std::iter::empty());
    std::fs::remove_dir_all(&settings.root).unwrap();
    loaded.unwrap()
}

#[test]
fn what_was_written_by_hand_is_taken_over_as_far_as_it_is_live() {
    let settings = load(FILE, &[], &[]);
    let by_hand = FILE.replace("2 days", "4 days").replace("[::1]:8420", "[::1]:1") + "page = '/nonexist'\n";
    let change = settings.change(&by_hand, &Patch::new()).unwrap();
    assert_eq!((change.text, change.changed.len()), (by_hand, 1));
    assert_eq!((change.settings.log_retention, change.settings.bind), (days(4), settings.bind));
}

#[test]
fn all_that_is_wrong_is_said_and_nothing_is_done() {
    let settings = load(FILE, &[], &[]);
    let wish = json!({ "backups_kept": 0, "releases_kept": 1, "bind": "x", "log_retension": "1 day" });
    let error = settings.change(FILE, &patch(wish)).unwrap_err();
    let fields: Vec<&str> = error.field_errors().iter().map(|field| field.field.as_str()).collect();
    assert_eq!(fields, ["backups_kept", "bind", "log_retension"]);
}

#[test]
fn a_name_that_is_none_is_refused_with_the_nearest() {
    let settings = load("", &[], &[]);
    assert!(refusal(&settings, "log_retension", json!(1)).contains("Did you mean `log_retention`?"));
    assert!(!refusal(&settings, "zzzzzz", Value::Null).contains("Did you mean"));
}

#[test]
fn a_value_out_of_range_is_refused_with_the_range() {
    let settings = load("", &[], &[]);
    for (field, value, why) in [
        ("backups_kept", json!(0), "from 1 to 1000"),
        ("releases_kept", json!(1001), "more than 1000"),
        ("releases_kept", json!(1.5), "from 1 to 1000"),
        ("trash_retention", json!(30), "no unit"),
        ("trash_retention", json!("40000 days"), "36500 days at most"),
        ("log_retention", json!(["1 day"]), "a time with its unit"),
        ("log_retention", json!(""), "a time with its unit"),
    ] {
        let text = refusal(&settings, field, value);
        assert!(text.contains(why), "{text}");
    }
}

#[test]
fn what_needs_a_restart_is_refused_with_the_way() {
    let text = refusal(&load("", &[], &[]), "upload_limit", json!("1 GiB"));
    assert!(text.contains("restart") && text.contains("config/mantyx.toml"), "{text}");
}

#[test]
fn what_a_stronger_layer_decides_is_refused_with_its_name() {
    let settings = load(FILE, &[("MANTYX_LOG_RETENTION", "7 days")], &[("backups-kept", "9")]);
    assert!(refusal(&settings, "log_retention", json!("1 day")).contains("`MANTYX_LOG_RETENTION`"));
    assert!(refusal(&settings, "backups_kept", Value::Null).contains("`--backups-kept`"));
    let other = settings.change(FILE, &patch(json!({ "releases_kept": 2 }))).unwrap().settings;
    assert_eq!((other.log_retention, other.backups_kept, other.releases_kept), (days(7), 9, 2));
}

#[test]
fn a_file_that_cannot_be_read_is_not_touched() {
    let settings = load("", &[], &[]);
    for broken in ["backups_kept = ", "zzz = 1", "trash_retention = 1"] {
        let error = settings.change(broken, &patch(json!({ "backups_kept": 1 }))).unwrap_err();
        assert!(error.detail().contains("mantyx.toml"), "{error}");
    }
    let mended =
        settings.change("trash_retention = 1", &patch(json!({ "trash_retention": "1 day" }))).unwrap();
    assert_eq!(mended.text, "trash_retention = \"1 day\"");
}

#[test]
fn the_listing_says_what_holds_and_why() {
    let environment = [("MANTYX_ENTRY_LIMIT", "7"), ("MANTYX_OWNER_PASSWORD", "geheim")];
    let settings = load(FILE, &environment, &[("trash-retention", "1d"), ("allowed-hosts", "a,b")]);
    let list = settings.list();
    assert_eq!(list.len(), SETTINGS.len());
    let get = |name: &str| {
        let listed = list.iter().find(|listed| listed.setting.name == name).unwrap();
        (listed.value.clone(), listed.default.clone(), listed.source.clone())
    };
    let file = Source::File(settings.layout().settings_file());
    let (variable, flag) =
        (|name: &str| Source::Variable(name.to_owned()), |name: &str| Source::Flag(name.to_owned()));
    assert_eq!(get("log_retention"), (json!("2 days"), json!("30 days"), file));
    assert_eq!(get("entry_limit"), (json!(7), json!(20_000), variable("MANTYX_ENTRY_LIMIT")));
    assert_eq!(get("trash_retention"), (json!("1 day"), json!("14 days"), flag("--trash-retention")));
    assert_eq!(get("allowed_hosts"), (json!(["a", "b"]), json!([]), flag("--allowed-hosts")));
    assert_eq!(get("stop_apps_on_shutdown"), (json!(false), json!(false), Source::Default));
    assert_eq!(get("page"), (Value::Null, Value::Null, Source::Default));
    assert!(!format!("{list:?}{settings:?}").contains("geheim"));
}

#[test]
fn every_default_is_in_its_usual_notation() {
    for listed in load("", &[], &[]).list() {
        assert_eq!(listed.value, listed.default);
        let text = as_text(&listed.default).unwrap_or_default();
        assert_eq!(text, listed.setting.default, "{}", listed.setting.name);
    }
}

#[test]
fn what_is_live_is_what_the_reference_says() {
    let live = SETTINGS.iter().filter(|setting| setting.effect == Effect::Live).map(|setting| setting.name);
    let expected = ["log_retention", "releases_kept", "backup_schedule", "backups_kept", "trash_retention"];
    assert_eq!(live.collect::<Vec<_>>(), expected);
}

/// Lines that people may have written around the settings.
fn prose() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), "# [ -~äöü]{0,20}", Just("\tbind = \"[::1]:1\" # x".to_owned())]
}

proptest! {
    #[test]
    fn a_value_written_is_the_value_read(
        above in prose(), below in "# [a-z=\"' ]{0,20}", had in any::<bool>(), end in prop_oneof!["\n", "\r\n"],
        kept in 1_u32..=1000, seconds in 1_u64..=36_500 * 86_400,
    ) {
        let old = if had { "trash_retention = '9 d' # why" } else { "" };
        let text = [above.as_str(), old, below.as_str()].join(&end);
        let settings = load(&text, &[], &[]);
        let wish = json!({ "releases_kept": kept, "trash_retention": format!("{seconds} s") });
        let change = settings.change(&text, &patch(wish)).unwrap();
        prop_assert_eq!(change.settings.releases_kept, kept);
        prop_assert_eq!(change.settings.trash_retention, Duration::from_secs(seconds));
        prop_assert!(change.text.contains(&above) && change.text.contains(&below));
        prop_assert_eq!(&load_at(&settings, &change.text), &change.settings);
        let listed: Patch = change.settings.list().into_iter()
            .filter(|listed| listed.setting.effect == Effect::Live)
            .map(|listed| (listed.setting.name.to_owned(), listed.value)).collect();
        prop_assert!(change.settings.change(&change.text, &listed).unwrap().changed.is_empty());
        let gone = patch(json!({ "releases_kept": null, "trash_retention": null }));
        let back = change.settings.change(&change.text, &gone).unwrap();
        prop_assert_eq!(back.settings.trash_retention, days(14));
        prop_assert!(back.text.contains(&above) && back.text.contains(&below) && back.text.contains("# why") == had);
    }
}
