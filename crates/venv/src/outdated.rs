//! What in an environment has a newer version in the package index.

use std::path::Path;
use std::time::Duration;

use mantyx_core::{Code, Error, Exit, Result};
use mantyx_platform::process::{Command, Source};
use mantyx_platform::scratch::Scratch;
use mantyx_platform::{folders, ownership};
use serde::Deserialize;

use crate::failure::explain;
use crate::lock::normalise;
use crate::tools::{Tools, Uv};
use crate::{variables, workspace};

/// A package that has a newer version.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Outdated {
    /// The normalised name (PEP 503).
    pub name: String,
    /// The version that is installed.
    pub installed: String,
    /// The newest version that the index offers for this Python.
    pub latest: String,
}

/// One line of what both tools answer.
#[derive(Deserialize)]
struct Answer {
    name: String,
    version: String,
    latest_version: String,
}

/// Asks the package index about everything in an environment, as the user of the tools, whose environment it is.
/// `cache` is Mantyx's own cache folder.
///
/// uv answers when it is there; otherwise the pip of the environment, if it was built with one.
///
/// # Errors
/// `needs_uv`, `timed_out`, or why the index did not answer.
pub async fn outdated(
    environment: &Path,
    cache: &Path,
    tools: &Tools,
    limit: Duration,
) -> Result<Vec<Outdated>> {
    if tools.uv.is_none() && !environment.join("bin/pip").exists() {
        let detail = "What is outdated cannot be told: this environment has no pip, and there is no uv";
        return Err(Error::new(Code::NeedsUv, detail).hint("Install uv for the user that the app runs as"));
    }
    let parent = cache.join("staging");
    folders::create(&parent, 0o755)?;
    let home = Scratch::make(&parent, "outdated-")?;
    let packages = workspace::packages(tools.user.as_ref(), cache)?;
    let mut variables = match &tools.uv {
        Some(uv) => variables::for_uv(uv, &packages),
        None => variables::for_pip_with_cache(&packages),
    };
    if let Some(user) = &tools.user {
        ownership::give(home.path(), user)?;
        variables::of_user(&mut variables, user, home.path());
        variables::instead_of_pip_files(&mut variables);
    }
    let command = question(tools.uv.as_ref(), environment).folder(home.path());
    ask(command.variables(variables).identity(tools.user.as_ref()), limit).await
}

fn question(uv: Option<&Uv>, environment: &Path) -> Command {
    let python = environment.join("bin/python");
    // A `pip` is there to build the environment, not for the app.
    let list = ["list", "--outdated", "--format", "json", "--exclude", "pip"];
    match uv {
        Some(uv) => Command::new(&uv.path).arg("pip").args(list).arg("--python").arg(python),
        None => Command::new(python).args(["-m", "pip"]).args(list),
    }
}

async fn ask(command: Command, limit: Duration) -> Result<Vec<Outdated>> {
    let (mut answer, mut output) = (String::new(), String::new());
    let exit = command.run(limit, std::future::pending(), |from, line| {
        let text = if from == Source::Stdout { &mut answer } else { &mut output };
        text.extend([line, "\n"]);
    });
    match exit.await {
        Ok(Exit::Code(0)) => read(&answer),
        Ok(_) => Err(explain(&(output + &answer))),
        Err(error) if error.code() == Code::TimedOut => Err(too_long(limit)),
        Err(error) => Err(error),
    }
}

fn too_long(limit: Duration) -> Error {
    let seconds = limit.as_secs();
    Error::new(Code::TimedOut, format!("The package index did not answer within {seconds} s"))
        .hint("Try again later, or see that this machine reaches its package index")
}

fn read(answer: &str) -> Result<Vec<Outdated>> {
    let mut lines = answer.lines().filter(|line| line.starts_with('['));
    let text = lines.next_back().unwrap_or("[]");
    let answers: Vec<Answer> =
        serde_json::from_str(text).map_err(|error| Error::internal("read what is outdated", error))?;
    let mut outdated: Vec<Outdated> = answers
        .into_iter()
        .map(|answer| Outdated {
            name: normalise(&answer.name),
            installed: answer.version,
            latest: answer.latest_version,
        })
        .collect();
    outdated.sort();
    Ok(outdated)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_answers_are_read() {
        let uv = r#"[{"name":"b","version":"1","latest_version":"2","latest_filetype":"wheel"},
            {"name":"Zope.A","version":"3","latest_version":"4"}]"#
            .replace('\n', "");
        let found = read(&uv).unwrap();
        assert_eq!(found[0], Outdated { name: "b".into(), installed: "1".into(), latest: "2".into() });
        assert_eq!(found[1].name, "zope-a");
        assert!(read("").unwrap().is_empty() && read("WARNING: x\n[]\n").unwrap().is_empty());
        assert!(read("[{]").is_err());
    }

    #[tokio::test]
    async fn an_index_that_does_not_answer_is_not_waited_for() {
        let slow = Command::new("/bin/sleep").arg("600");
        let error = ask(slow, Duration::from_millis(200)).await.unwrap_err();
        assert_eq!(error.code(), Code::TimedOut);
        assert!(error.detail().contains("index"), "{error}");
    }

    #[tokio::test]
    async fn without_a_tool_it_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let error = outdated(folder.path(), folder.path(), &Tools::default(), Duration::from_secs(1)).await;
        assert_eq!(error.unwrap_err().code(), Code::NeedsUv);
    }
}
