//! The five fields, and the short forms that stand for them.

use mantyx_core::{Code, Error, Result};

use super::field::{self, Field, Form};

/// The short forms of crontab(5).
const SHORT: [(&str, &str); 7] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

/// A line of a crontab, without its command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CronLine {
    pub(super) minutes: Field,
    pub(super) hours: Field,
    pub(super) days: Field,
    pub(super) months: Field,
    pub(super) weekdays: Field,
}

/// How the two fields of the day combine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Days {
    /// A day matches both. With a `*` in one, the other decides.
    Both,
    /// Both are restricted: a day matches one or the other.
    Either,
}

impl CronLine {
    pub(super) fn parse(expression: &str) -> Result<Self> {
        let expression = expression.trim();
        if expression.starts_with('@') {
            return Self::parse(long_form(expression)?);
        }
        let texts: Vec<&str> = expression.split_ascii_whitespace().collect();
        let [minutes, hours, days, months, weekdays] = texts[..] else {
            return Err(wrong_number(expression, texts.len()));
        };
        Ok(Self {
            minutes: Field::parse(&field::MINUTE, minutes)?,
            hours: Field::parse(&field::HOUR, hours)?,
            days: Field::parse(&field::DAY, days)?,
            months: Field::parse(&field::MONTH, months)?,
            weekdays: Field::parse(&field::WEEKDAY, weekdays)?,
        })
    }

    pub(super) fn combination(&self) -> Days {
        match (self.days.form, self.weekdays.form) {
            (Form::Restricted, Form::Restricted) => Days::Either,
            _ => Days::Both,
        }
    }
}

fn long_form(short: &str) -> Result<&'static str> {
    if let Some((_, long)) = SHORT.iter().find(|(known, _)| short.eq_ignore_ascii_case(known)) {
        return Ok(long);
    }
    let error = Error::new(Code::InvalidSchedule, format!("There is no short form `{short}`"));
    Err(match short {
        "@reboot" => error.hint("An app that starts with the machine is perpetual, with autostart"),
        _ => error.hint("There are @hourly, @daily, @weekly, @monthly and @yearly"),
    })
}

fn wrong_number(expression: &str, count: usize) -> Error {
    let detail = match count {
        0 => "A cron line cannot be empty".to_owned(),
        _ => format!("A cron line has five fields, `{expression}` has {count}"),
    };
    Error::new(Code::InvalidSchedule, detail)
        .hint("They are minute, hour, day of month, month and day of week: `30 8 * * 1-5`")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(expression: &str) -> String {
        let error = CronLine::parse(expression).unwrap_err();
        assert_eq!(error.code(), Code::InvalidSchedule);
        format!("{error}. {}", error.hint_text().unwrap_or_default())
    }

    fn numbers(expression: &str) -> [Vec<u32>; 5] {
        let line = CronLine::parse(expression).unwrap();
        [line.minutes, line.hours, line.days, line.months, line.weekdays].map(|f| f.numbers().collect())
    }

    #[test]
    fn reads_every_form() {
        let [minutes, hours, days, months, weekdays] = numbers("*/20 8-18/5,22 1,15 jan-MAR,12 fri-sun");
        assert_eq!(minutes, [0, 20, 40]);
        assert_eq!(hours, [8, 13, 18, 22]);
        assert_eq!(days, [1, 15]);
        assert_eq!(months, [1, 2, 3, 12]);
        assert_eq!(weekdays, [0, 5, 6]);
    }

    #[test]
    fn sunday_is_0_and_7() {
        for sunday in ["0", "7", "sun", "Sun", "7,0"] {
            assert_eq!(numbers(&format!("0 0 * * {sunday}"))[4], [0]);
        }
        assert_eq!(numbers("0 0 * * 0-7")[4], [0, 1, 2, 3, 4, 5, 6]);
        assert_eq!(numbers("0 0 * * */2")[4], [0, 2, 4, 6]);
        assert_eq!(numbers("0 0 * * 5-7")[4], [0, 5, 6]);
    }

    #[test]
    fn short_forms_stand_for_five_fields() {
        for (short, long) in SHORT {
            assert_eq!(CronLine::parse(short).unwrap(), CronLine::parse(long).unwrap());
        }
    }

    #[test]
    fn the_days_combine_by_or_when_neither_has_a_star() {
        let combination = |expression| CronLine::parse(expression).unwrap().combination();
        assert_eq!(combination("0 0 13 * 5"), Days::Either);
        assert_eq!(combination("0 0 * * 5"), Days::Both);
        assert_eq!(combination("0 0 */2 * 5"), Days::Both);
    }

    #[test]
    fn a_refusal_names_the_field_and_the_fault() {
        let cases = [
            ("* * * * 1-8", "Day of week goes from 0 to 7 (Sunday is 0 or 7): `1-8` is too far"),
            ("60 * * * *", "Minute goes from 0 to 59: `60` is too far"),
            ("* 99999999999 * * *", "Hour goes from 0 to 23: `99999999999` is too far"),
            ("* * 0 * *", "Day of month goes from 1 to 31: `0` begins too low"),
            ("* 22-2 * * *", "Hour: `22-2` runs backwards. Write `22-23,0-2`"),
            ("5/10 * * * *", "Minute: `5/10` has a step without a range. Write `5-59/10` or `*/10`"),
            ("*/0 * * * *", "Minute: `*/0` has a step of nothing"),
            ("*/+5 * * * *", "Minute: `*/+5` has a step that is not a number"),
            (
                "* * * foo *",
                "Month: `foo` has `foo`, which is not a number. Names have three letters, such as `feb`",
            ),
            ("1,,2 * * * *", "Minute has an empty item in its list"),
            ("1- * * * *", "Minute: `1-` lacks a number"),
            ("* * * *", "A cron line has five fields, `* * * *` has 4"),
            ("0 * * * * *", "A cron line has five fields, `0 * * * * *` has 6"),
            (" ", "A cron line cannot be empty"),
            ("@fortnightly", "There is no short form `@fortnightly`"),
            ("@reboot", "autostart"),
        ];
        for (expression, expected) in cases {
            let text = refusal(expression);
            assert!(text.contains(expected), "{expression}: {text}");
        }
    }
}
