//! A child that is waited for, with a time limit and a way to call it off.

use std::pin::pin;
use std::time::Duration;

use mantyx_core::{Code, Error, Exit, Result};
use tokio::time::{Instant, sleep};

use super::lines::{Lines, Source};
use super::{Command, Group, Output, exit};

/// How long output may still come after the child itself has ended, from children of its own that hold it open.
const STRAGGLERS: Duration = Duration::from_secs(1);

impl Command {
    /// Runs it to its end and hands over each line that it writes, without the line's end.
    ///
    /// After `limit`, when `cancelled` completes, and when this future is dropped, the whole process group is
    /// killed: half a build is worth nothing. How it exits is for the caller to judge.
    pub async fn run(
        self,
        limit: Duration,
        cancelled: impl Future<Output = ()>,
        on_line: impl FnMut(Source, &str),
    ) -> Result<Exit> {
        self.run_announced(limit, cancelled, |_| Ok(()), on_line).await
    }

    /// The same, and says who runs as soon as that is known: the leader of the group, which may outlive the daemon.
    /// When `on_start` fails, the group is killed.
    pub async fn run_announced(
        self,
        limit: Duration,
        cancelled: impl Future<Output = ()>,
        on_start: impl FnOnce(u32) -> Result<()>,
        mut on_line: impl FnMut(Source, &str),
    ) -> Result<Exit> {
        let name = self.name();
        let mut child = self.start(Output::Pipe, Output::Pipe)?;
        let mut group = Group::of(child.id());
        child.id().map_or(Ok(()), on_start)?;
        let (mut stdout, mut stderr) = (Lines::new(child.stdout.take()), Lines::new(child.stderr.take()));
        let (mut deadline, mut cancelled) = (pin!(sleep(limit)), pin!(cancelled));
        let mut ended = None;
        while ended.is_none() || stdout.is_open() || stderr.is_open() {
            tokio::select! {
                () = stdout.more(), if stdout.is_open() => stdout.take(|line| on_line(Source::Stdout, line)),
                () = stderr.more(), if stderr.is_open() => stderr.take(|line| on_line(Source::Stderr, line)),
                status = child.wait(), if ended.is_none() => {
                    ended = Some(status.map_err(|error| Error::io(format!("wait for `{name}`"), error))?);
                    deadline.as_mut().reset(Instant::now() + STRAGGLERS);
                }
                () = &mut cancelled, if ended.is_none() => return Err(called_off(&name)),
                () = &mut deadline => match ended {
                    Some(status) => return Ok(exit(status)),
                    None => return Err(too_long(&name, limit)),
                },
            }
        }
        group.ended();
        ended.map(exit).ok_or_else(|| called_off(&name))
    }
}

fn called_off(name: &str) -> Error {
    Error::new(Code::Cancelled, format!("`{name}` was cancelled"))
}

fn too_long(name: &str, limit: Duration) -> Error {
    Error::new(Code::TimedOut, format!("`{name}` took longer than {} s and was ended", limit.as_secs()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::pending;
    use std::path::Path;

    const LONG: Duration = Duration::from_secs(60);

    fn shell(script: &str) -> Command {
        Command::new("/bin/sh").arg("-c").arg(script).variable("PATH", "/usr/bin:/bin")
    }

    async fn lines(command: Command) -> (Exit, Vec<(Source, String)>) {
        let mut lines = Vec::new();
        let exit = command.run(LONG, pending(), |from, line| lines.push((from, line.to_owned()))).await;
        (exit.unwrap(), lines)
    }

    /// Waits until a process that may belong to somebody else's group is gone.
    async fn gone(pid: &str) {
        assert!(!pid.is_empty(), "it has not begun");
        let deadline = Instant::now() + LONG;
        while Path::new("/proc").join(pid).join("exe").read_link().is_ok() {
            assert!(Instant::now() < deadline, "process {pid} is still there");
            sleep(Duration::from_millis(5)).await;
        }
    }

    #[tokio::test]
    async fn hands_over_lines_and_the_exit() {
        let (exit, lines) = lines(shell("echo one; echo two >&2; printf 'three\\r\\nfour'; exit 3")).await;
        assert_eq!(exit, Exit::Code(3));
        let of = |wanted| lines.iter().filter(|(from, _)| *from == wanted).map(|(_, l)| l.as_str()).collect();
        let (out, err): (Vec<&str>, Vec<&str>) = (of(Source::Stdout), of(Source::Stderr));
        assert_eq!((out, err), (vec!["one", "three", "four"], vec!["two"]));
    }

    #[tokio::test]
    async fn starts_from_nothing_but_what_was_said() {
        let command = Command::new("/usr/bin/env").variable("B", "2").variables([("A", "1")]);
        let text: Vec<String> = lines(command).await.1.into_iter().map(|(_, line)| line).collect();
        assert_eq!(text, ["A=1", "B=2"]);
        assert!(lines(Command::new("/bin/cat")).await.1.is_empty());
        let fed = lines(shell("pwd; cat").folder("/usr").input("from the input\n")).await.1;
        assert_eq!(fed.iter().map(|(_, l)| l.as_str()).collect::<Vec<_>>(), ["/usr", "from the input"]);
    }

    #[tokio::test]
    async fn a_line_without_end_is_cut() {
        let (_, lines) = lines(shell("head -c 200000 /dev/zero | tr '\\0' x")).await;
        assert_eq!(lines.iter().map(|(_, l)| l.len()).collect::<Vec<_>>(), [65536, 65536, 65536, 3392]);
    }

    #[tokio::test]
    async fn the_limit_ends_the_whole_group() {
        let mut grandchild = String::new();
        // On a busy machine it may take longer until there is somebody to end.
        for limit in [300, 3_000, 30_000].map(Duration::from_millis) {
            let slow = shell("sleep 600 & echo $!; wait");
            let said = |_, line: &str| line.clone_into(&mut grandchild);
            let error = slow.run(limit, pending(), said).await.unwrap_err();
            assert_eq!(error.code(), Code::TimedOut);
            if !grandchild.is_empty() {
                break;
            }
        }
        gone(&grandchild).await;
    }

    #[tokio::test]
    async fn cancelling_ends_the_whole_group() {
        let (ready, started) = tokio::sync::oneshot::channel();
        let (mut ready, mut grandchild) = (Some(ready), String::new());
        let slow = shell("sleep 600 & echo $!; wait");
        let cancelled = async { started.await.unwrap() };
        let on_line = |_, line: &str| {
            line.clone_into(&mut grandchild);
            let _ = ready.take().map(|ready| ready.send(()));
        };
        let error = slow.run(LONG, cancelled, on_line).await.unwrap_err();
        assert_eq!(error.code(), Code::Cancelled);
        gone(&grandchild).await;
    }

    #[tokio::test]
    async fn stragglers_do_not_hold_the_caller() {
        let (exit, lines) = lines(shell("sleep 600 & echo $!")).await;
        assert_eq!(exit, Exit::Code(0));
        gone(&lines[0].1).await;
    }

    #[tokio::test]
    async fn runs_as_somebody_else_for_good() {
        let nobody = crate::identity::resolve("nobody", &["tty".to_owned()]).unwrap();
        let script = "id -u; id -g; id -G; umask; grep NoNewPrivs /proc/self/status";
        let command = shell(script).folder("/").identity(Some(&nobody));
        if !crate::identity::is_superuser() {
            let error = command.run(LONG, pending(), |_, _| ()).await.unwrap_err();
            assert!(error.detail().contains("as `nobody`"), "{error}");
            return;
        }
        let text: Vec<String> = lines(command).await.1.into_iter().map(|(_, line)| line).collect();
        let tty = crate::identity::group("tty").unwrap().to_string();
        assert_eq!((&text[0], &text[1]), (&nobody.uid.to_string(), &nobody.gid.to_string()));
        assert!(
            text[2].split(' ').any(|group| group == tty) && !text[2].split(' ').any(|group| group == "0")
        );
        assert_eq!((text[3].as_str(), text[4].as_str()), ("0022", "NoNewPrivs:\t1"));
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_said() {
        let error = Command::new("/no/such/tool").run(LONG, pending(), |_, _| ()).await.unwrap_err();
        assert_eq!(error.code(), Code::StartFailed);
        assert!(error.detail().contains("/no/such/tool"));
    }
}
