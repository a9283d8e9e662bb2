//! What a `pyproject.toml` says: the project (PEP 621), its build system (PEP 517), or Poetry's own table.

use std::collections::BTreeMap;

use mantyx_core::{Code, Error, Result};
use serde::Deserialize;

/// The parts of the file that an environment depends on.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Pyproject {
    pub(crate) project: Option<Project>,
    #[serde(rename = "build-system")]
    pub(crate) build_system: Option<toml::Table>,
    #[serde(default)]
    pub(crate) tool: Tool,
}

/// `[project]` (PEP 621).
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Project {
    #[serde(rename = "requires-python")]
    pub(crate) requires_python: Option<String>,
    #[serde(default)]
    pub(crate) dependencies: Vec<String>,
    #[serde(default)]
    pub(crate) dynamic: Vec<String>,
    #[serde(default)]
    pub(crate) scripts: BTreeMap<String, String>,
    #[serde(default, rename = "gui-scripts")]
    pub(crate) gui_scripts: BTreeMap<String, String>,
}

/// `[tool]`, of which only some tables matter.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Tool {
    pub(crate) poetry: Option<Poetry>,
}

/// `[tool.poetry]`.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Poetry {
    #[serde(default)]
    pub(crate) dependencies: toml::Table,
    #[serde(default)]
    pub(crate) scripts: toml::Table,
}

impl Pyproject {
    /// Reads the file. `None` when it only configures tools: then it declares nothing.
    pub(crate) fn parse(text: &str) -> Result<Option<Self>> {
        let parsed: Self = toml::from_str(text).map_err(|error| {
            let detail = format!("`pyproject.toml` cannot be read: {}", error.message());
            Error::new(Code::InstallFailed, detail).hint("Correct the file and upload it again")
        })?;
        let declares = parsed.project.is_some() || parsed.tool.poetry.is_some();
        Ok(declares.then_some(parsed))
    }

    /// What it says to uv, which reads it also where it only configures tools.
    pub(crate) fn uv(text: &str) -> Option<toml::Table> {
        let mut tool = text.parse::<toml::Table>().ok()?.remove("tool")?;
        tool.as_table_mut()?.remove("uv")?.try_into().ok()
    }

    /// Whether it brings programs of its own.
    pub(crate) fn has_scripts(&self) -> bool {
        self.scripts().next().is_some()
    }

    /// The names of its own programs.
    pub(crate) fn scripts(&self) -> impl Iterator<Item = &str> {
        let standard =
            self.project.iter().flat_map(|project| project.scripts.keys().chain(project.gui_scripts.keys()));
        let poetry = self.tool.poetry.iter().flat_map(|poetry| poetry.scripts.keys());
        standard.chain(poetry).map(String::as_str)
    }

    /// Whether only a build of the project can tell what it depends on.
    pub(crate) fn is_dynamic(&self) -> bool {
        let project = self.project.as_ref();
        project.is_some_and(|project| project.dynamic.iter().any(|field| field == "dependencies"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_configures_tools_counts_as_absent() {
        assert!(Pyproject::parse("[tool.ruff]\nline-length = 100\n").unwrap().is_none());
        assert!(Pyproject::parse("[build-system]\nrequires = []\n").unwrap().is_none());
        assert!(Pyproject::parse("").unwrap().is_none());
    }

    #[test]
    fn reads_both_forms() {
        let standard =
            "[project]\nname = 'a'\ndynamic = ['version', 'dependencies']\n[project.scripts]\na = 'a:main'\n";
        let standard = Pyproject::parse(standard).unwrap().unwrap();
        assert!(standard.is_dynamic());
        assert_eq!(standard.scripts().collect::<Vec<_>>(), ["a"]);
        let poetry = "[tool.poetry]\nname = 'b'\n[tool.poetry.dependencies]\npython = '^3.9'\n";
        let poetry = Pyproject::parse(poetry).unwrap().unwrap();
        assert_eq!((poetry.has_scripts(), poetry.is_dynamic()), (false, false));
    }

    #[test]
    fn a_broken_file_is_said() {
        assert!(Pyproject::parse("[project\n").unwrap_err().detail().contains("`pyproject.toml`"));
    }
}
