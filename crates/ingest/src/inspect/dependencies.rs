//! Files that declare dependencies, in the order in which they count.

use mantyx_core::{DependencyFile, DependencyFormat, RelativePath};
use toml::{Table, Value};

use super::pyproject::{Describes, Pyproject};
use super::survey::Survey;

/// All that are at the top of the source; the first is the one that counts.
pub(super) fn files(survey: &Survey, project: &Pyproject) -> Vec<DependencyFile> {
    let read = |name: &str| survey.read(name).unwrap_or_default();
    let all = [
        ("uv.lock", DependencyFormat::UvLock),
        ("pylock.toml", DependencyFormat::PylockToml),
        ("requirements.txt", DependencyFormat::RequirementsTxt),
        ("pyproject.toml", DependencyFormat::PyprojectToml),
    ];
    let counts = |(name, _): &(&str, _)| match *name {
        "pyproject.toml" => project.describes == Describes::Project,
        name => survey.has(name),
    };
    let file = |(name, format): (&str, DependencyFormat)| {
        let count = match format {
            DependencyFormat::UvLock => of_uv_lock(&read(name)),
            DependencyFormat::RequirementsTxt => of_requirements(&read(name)),
            DependencyFormat::PyprojectToml => project.count,
            DependencyFormat::PylockToml | DependencyFormat::InlineMetadata => None,
        };
        RelativePath::parse(name).ok().map(|path| DependencyFile { path, format, count })
    };
    all.into_iter().filter(counts).filter_map(file).collect()
}

/// Direct dependencies are those of the package that is the source itself.
fn of_uv_lock(text: &str) -> Option<u32> {
    let lock: Table = text.parse().ok()?;
    let packages = lock.get("package")?.as_array()?;
    let is_source = |package: &&Value| {
        let source = package.get("source");
        ["virtual", "editable"]
            .iter()
            .any(|kind| source.and_then(|source| source.get(kind)).and_then(Value::as_str) == Some("."))
    };
    let own = packages.iter().find(is_source)?;
    let dependencies = own.get("dependencies").and_then(Value::as_array).map_or(0, Vec::len);
    u32::try_from(dependencies).ok()
}

/// One requirement a line, where no other file adds some (pip: Requirements File Format).
fn of_requirements(text: &str) -> Option<u32> {
    let joined = text.replace("\\\r\n", " ").replace("\\\n", " ");
    let mut count = 0;
    for line in joined.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let adds = ["-r", "--requirement"].iter().any(|option| line.starts_with(option));
        let is_requirement =
            !line.starts_with('-') || line.starts_with("-e") || line.starts_with("--editable");
        match (adds, is_requirement) {
            (true, _) => return None,
            (false, true) => count += 1,
            (false, false) => {}
        }
    }
    Some(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_requirements() {
        let text = "# web\nflask>=3 ; python_version > '3'\n\n--index-url https://x\n-e ./lib\na==1 \\\n  --hash=sha256:x\n";
        assert_eq!(of_requirements(text), Some(3));
        assert_eq!(of_requirements("-r base.txt\nflask"), None);
        assert_eq!(of_requirements(""), Some(0));
    }

    #[test]
    fn counts_what_a_lock_was_made_for() {
        let lock = "[[package]]\nname = 'flask'\nsource = { registry = 'x' }\n\
                    [[package]]\nname = 'me'\nsource = { virtual = '.' }\ndependencies = [{ name = 'flask' }]";
        assert_eq!(of_uv_lock(lock), Some(1));
        assert_eq!(of_uv_lock("not toml ["), None);
    }
}
