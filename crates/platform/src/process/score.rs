//! Whom the kernel ends first when memory is short (proc(5), `oom_score_adj`).
//!
//! The daemon's unit lets the kernel spare the daemon, and a child inherits that: a build that eats all memory would
//! be the last to end. So no child is spared for being one of ours.

use std::fs;
use std::sync::LazyLock;

/// What this process was given.
static OWN: LazyLock<i32> = LazyLock::new(|| {
    let own = fs::read_to_string("/proc/self/oom_score_adj").unwrap_or_default();
    own.trim().parse().unwrap_or_default()
});

/// Lets a child count like any other process. It has hardly begun, and nothing can be done where that is not allowed.
pub(super) fn do_not_spare(child: Option<u32>) {
    if let Some(child) = child {
        do_not_spare_below(*OWN, child);
    }
}

fn do_not_spare_below(own: i32, child: u32) {
    if own < 0
        && let Err(error) = fs::write(format!("/proc/{child}/oom_score_adj"), "0")
    {
        tracing::debug!(%error, child, "a child is spared when memory is short");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_child_of_one_that_is_spared_counts_like_others() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let file = format!("/proc/{}/oom_score_adj", child.id());
        let score = || fs::read_to_string(&file).unwrap().trim().to_owned();
        // Without CAP_SYS_RESOURCE nobody may go below what he was given by somebody who had it.
        let may_be_lowered = fs::write(&file, "0").is_ok();
        let raised = 300.max(*OWN).to_string();
        fs::write(&file, &raised).unwrap();
        do_not_spare_below(0, child.id());
        assert_eq!(score(), raised);
        do_not_spare_below(-500, child.id());
        assert_eq!(score(), if may_be_lowered { "0" } else { &raised });
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
