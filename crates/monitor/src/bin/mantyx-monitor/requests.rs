//! What a client may ask of the monitor.

use std::time::Instant;

use mantyx_core::Ending;
use mantyx_monitor::{Message, Request, Terms, VERSION};

use crate::client::Asked;
use crate::monitor::Monitor;
use crate::stop;

impl Monitor {
    /// Answers everything that a client has asked.
    pub(crate) fn listen_to(&mut self, index: usize) {
        let asked = self.clients.asked(index);
        if !asked.is_empty() {
            let answers: Vec<Message> = asked.into_iter().map(|asked| self.answer(asked)).collect();
            self.clients.answer(index, &answers);
        }
    }

    fn answer(&mut self, asked: Asked) -> Message {
        let done = match asked {
            Ok(Request::Hello { .. }) => return self.hello(),
            Ok(Request::Status) => return self.status(),
            Ok(Request::Signal { number }) => self.signal(number),
            Ok(Request::Stop { terms, why }) => self.stop(terms, why.unwrap_or_else(by_the_daemon)),
            Ok(Request::Adjust(terms)) => {
                self.adjust(*terms);
                Ok(())
            }
            Err(reason) => Err(reason),
        };
        done.map_or_else(|reason| Message::Refused { reason }, |()| Message::Done)
    }

    fn hello(&self) -> Message {
        Message::Hello { version: VERSION, execution: self.record.plan.execution, main: self.record.main }
    }

    fn status(&self) -> Message {
        Message::Status {
            main: self.record.main,
            wish: self.wish,
            dropped_lines: self.output.dropped_lines(),
            stopping: self.why.clone(),
            notified: self.said.notified().clone(),
            warnings: self.warnings.all(),
        }
    }

    /// From now on these terms hold, also for whoever finds the record when this monitor has been killed.
    fn adjust(&mut self, terms: Terms) {
        self.warnings.watchdog = self.watch.adjust(&terms.deadlines, Instant::now());
        self.warnings.stop = stop::first_signal(terms.stop.signal).1;
        if let Some(confinement) = &terms.confinement {
            self.warnings.limits = self.limits.adjust(confinement);
        }
        let plan = &mut self.record.plan;
        plan.stop = terms.stop;
        plan.deadlines = terms.deadlines;
        plan.confinement = self.limits.confinement().cloned();
        self.recorder.write(&self.record);
    }
}

/// A daemon of version 1 does not say why, but there was no reason other than that somebody wanted it.
fn by_the_daemon() -> Ending {
    Ending::Stopped { by: "the daemon".to_owned() }
}
