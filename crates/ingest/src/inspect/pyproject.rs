//! What `pyproject.toml` says (PEP 518, PEP 621, and Poetry's own table).

use toml::{Table, Value};

use super::survey::Survey;

/// The part that matters here; all empty when there is no project in it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Pyproject {
    /// Whether a project is described at all: a file with settings of tools alone counts as absent.
    pub(super) describes: Describes,
    pub(super) name: Option<String>,
    /// Console scripts, by name.
    pub(super) scripts: Vec<String>,
    pub(super) requires_python: Option<String>,
    /// How many dependencies are named; unknown when a build would find out.
    pub(super) count: Option<u32>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Describes {
    #[default]
    Nothing,
    Project,
}

impl Pyproject {
    /// Reads it where there is one. One that cannot be read is said.
    pub(super) fn load(survey: &Survey, warnings: &mut Vec<String>) -> Self {
        let Some(text) = survey.read("pyproject.toml") else { return Self::default() };
        Self::parse(&text).unwrap_or_else(|error| {
            warnings.push(format!("`pyproject.toml` cannot be read: {}", error.message()));
            Self::default()
        })
    }

    fn parse(text: &str) -> Result<Self, toml::de::Error> {
        let whole: Table = text.parse()?;
        if let Some(project) = whole.get("project").and_then(Value::as_table) {
            return Ok(Self::standard(project));
        }
        let poetry = whole.get("tool").and_then(|tool| tool.get("poetry")).and_then(Value::as_table);
        Ok(poetry.map(Self::poetry).unwrap_or_default())
    }

    fn standard(project: &Table) -> Self {
        let dynamic = project.get("dynamic").and_then(Value::as_array);
        let is_dynamic = dynamic.is_some_and(|all| all.iter().any(|v| v.as_str() == Some("dependencies")));
        let count = project.get("dependencies").and_then(Value::as_array).map_or(0, Vec::len);
        Self {
            describes: Describes::Project,
            name: text(project, "name"),
            scripts: keys(project, "scripts"),
            requires_python: text(project, "requires-python"),
            count: if is_dynamic { None } else { u32::try_from(count).ok() },
        }
    }

    fn poetry(poetry: &Table) -> Self {
        let dependencies = keys(poetry, "dependencies");
        let count = dependencies.iter().filter(|name| *name != "python").count();
        let python = poetry.get("dependencies").and_then(|all| all.get("python")).and_then(Value::as_str);
        Self {
            describes: Describes::Project,
            name: text(poetry, "name"),
            scripts: keys(poetry, "scripts"),
            requires_python: python.and_then(from_poetry),
            count: u32::try_from(count).ok(),
        }
    }
}

fn text(table: &Table, key: &str) -> Option<String> {
    table.get(key).and_then(Value::as_str).map(str::to_owned)
}

fn keys(table: &Table, key: &str) -> Vec<String> {
    let inner = table.get(key).and_then(Value::as_table);
    inner.map(|inner| inner.keys().cloned().collect()).unwrap_or_default()
}

/// Poetry's `^` and `~` in the standard's words: `^3.10` is `>=3.10,<4`, `~3.10` is `>=3.10,<3.11`. What has no
/// such words is left out rather than guessed.
fn from_poetry(constraint: &str) -> Option<String> {
    if constraint.contains('|') {
        return None;
    }
    let parts: Option<Vec<String>> =
        constraint.split(',').map(|part| part_from_poetry(part.trim())).collect();
    parts.map(|parts| parts.join(","))
}

fn part_from_poetry(part: &str) -> Option<String> {
    if part.starts_with(['<', '>', '=', '!']) || part.starts_with("~=") {
        return Some(part.to_owned());
    }
    let (kind, version) = match part.split_at_checked(1)? {
        ("^", version) => ('^', version),
        ("~", version) => ('~', version),
        _ => return part.starts_with(|c: char| c.is_ascii_digit()).then(|| format!("=={part}")),
    };
    let numbers: Result<Vec<u32>, _> = version.trim().split('.').map(str::parse).collect();
    let numbers = numbers.ok()?;
    let (major, minor) = (*numbers.first()?, numbers.get(1));
    match (kind, minor) {
        ('~', Some(minor)) => Some(format!(">={},<{major}.{}", version.trim(), minor.checked_add(1)?)),
        _ => Some(format!(">={},<{}", version.trim(), major.checked_add(1)?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_standard_table() {
        let project = Pyproject::parse(
            "[project]\nname = 'mail'\nrequires-python = '>=3.11'\ndependencies = ['a', 'b>1']\n\
             [project.scripts]\nmail = 'mail:main'\n[tool.poetry]\nname = 'other'",
        );
        let expected = Pyproject {
            describes: Describes::Project,
            name: Some("mail".into()),
            scripts: vec!["mail".into()],
            requires_python: Some(">=3.11".into()),
            count: Some(2),
        };
        assert_eq!(project.unwrap(), expected);
        let dynamic = Pyproject::parse("[project]\ndynamic = ['dependencies']").unwrap();
        assert_eq!(dynamic.count, None);
    }

    #[test]
    fn reads_poetry() {
        let project = Pyproject::parse(
            "[tool.poetry]\nname = 'p'\n[tool.poetry.dependencies]\npython = '^3.10'\nflask = '*'",
        )
        .unwrap();
        assert_eq!(project.count, Some(1));
        assert_eq!(project.requires_python.as_deref(), Some(">=3.10,<4"));
    }

    #[test]
    fn settings_of_tools_are_no_project() {
        assert_eq!(Pyproject::parse("[tool.ruff]\nline-length = 100").unwrap(), Pyproject::default());
        assert!(Pyproject::parse("[project").is_err());
    }

    #[test]
    fn constraints_of_poetry_are_translated_or_left_out() {
        let table = [
            ("~3.10", Some(">=3.10,<3.11")),
            (">=3.9,<3.13", Some(">=3.9,<3.13")),
            ("3.11", Some("==3.11")),
            ("^3.9.1", Some(">=3.9.1,<4")),
            ("^3.9 || ^4.0", None),
            ("^x", None),
            ("*", None),
            ("", None),
        ];
        for (given, expected) in table {
            assert_eq!(from_poetry(given).as_deref(), expected, "{given}");
        }
    }
}
