//! A cron line as a person would say it.

use super::field::Field;
use super::line::{CronLine, Days};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// At most this many times of day are listed one by one.
const MOST_TIMES: u32 = 6;

pub(super) fn words(line: &CronLine) -> String {
    let certain_hours = line.hours.count() < 24;
    let days = days(line);
    let months = months(&line.months);
    let every_day = days.is_none() && (certain_hours || months.is_some());
    let every_day = every_day.then(|| "every day".to_owned());
    let parts = [Some(time(&line.minutes, &line.hours)), every_day, days, months];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

fn time(minutes: &Field, hours: &Field) -> String {
    let every_hour = hours.count() == 24;
    let of_hours = if every_hour { String::new() } else { format!(" of {}", the_hours(hours)) };
    if minutes.count() == 60 {
        return format!("Every minute{of_hours}");
    }
    if let Some(step) = minutes.step.filter(|step| 60 % step == 0) {
        return format!("Every {step} minutes{of_hours}");
    }
    if every_hour {
        return format!("At {} of every hour", the_minutes(minutes));
    }
    if hours.step.is_none() && minutes.count() * hours.count() <= MOST_TIMES {
        return format!("At {}", join(&times(minutes, hours)));
    }
    format!("At {}{of_hours}", the_minutes(minutes))
}

fn times(minutes: &Field, hours: &Field) -> Vec<String> {
    let at = |hour| minutes.numbers().map(move |minute| format!("{hour:02}:{minute:02}"));
    hours.numbers().flat_map(at).collect()
}

fn the_minutes(minutes: &Field) -> String {
    let noun = if minutes.count() == 1 { "minute" } else { "minutes" };
    format!("{noun} {}", join(&spans(minutes, |minute| minute.to_string())))
}

fn the_hours(hours: &Field) -> String {
    if let Some(step) = hours.step.filter(|step| 24 % step == 0) {
        return format!("every {} hour", ordinal(step));
    }
    let noun = if hours.count() == 1 { "hour" } else { "hours" };
    format!("{noun} {}", join(&spans(hours, |hour| hour.to_string())))
}

fn days(line: &CronLine) -> Option<String> {
    let (day, weekday) = (days_of_month(&line.days), weekdays(&line.weekdays));
    match (day, weekday, line.combination()) {
        (Some(day), Some(weekday), Days::Either) => Some(format!("{day} or {weekday}")),
        (Some(day), Some(weekday), Days::Both) => Some(format!("{day}, only {weekday}")),
        (day, weekday, _) => day.or(weekday),
    }
}

fn days_of_month(days: &Field) -> Option<String> {
    if days.count() == 31 {
        return None;
    }
    if let Some(step) = days.step {
        return Some(format!("on every {} day of the month", ordinal(step)));
    }
    let noun = if days.count() == 1 { "day" } else { "days" };
    Some(format!("on {noun} {} of the month", join(&spans(days, |day| day.to_string()))))
}

fn weekdays(weekdays: &Field) -> Option<String> {
    let numbers: Vec<u32> = weekdays.numbers().collect();
    match numbers[..] {
        [0, 1, 2, 3, 4, 5, 6] => None,
        [1, 2, 3, 4, 5] => Some("on weekdays".to_owned()),
        [0, 6] => Some("at weekends".to_owned()),
        _ => {
            // The week begins on Monday for those who read it, on Sunday for cron.
            let monday_first = (1..=6).chain([0]).filter(|day| weekdays.contains(*day));
            let names: Vec<String> = monday_first.map(|day| name(&WEEKDAYS, day)).collect();
            Some(format!("on {}", join(&names)))
        }
    }
}

fn months(months: &Field) -> Option<String> {
    if months.count() == 12 {
        return None;
    }
    Some(format!("in {}", join(&spans(months, |month| name(&MONTHS, month - 1)))))
}

fn name(names: &[&str], index: u32) -> String {
    names.get(index as usize).copied().unwrap_or_default().to_owned()
}

/// The numbers of a field, with three or more neighbours as `first to last`.
fn spans(field: &Field, say: impl Fn(u32) -> String) -> Vec<String> {
    let mut spans: Vec<(u32, u32)> = Vec::new();
    for number in field.numbers() {
        match spans.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => spans.push((number, number)),
        }
    }
    let mut said = Vec::new();
    for (first, last) in spans {
        match last - first {
            0 => said.push(say(first)),
            1 => said.extend([say(first), say(last)]),
            _ => said.push(format!("{} to {}", say(first), say(last))),
        }
    }
    said
}

/// `a`, `a and b`, `a, b and c`.
fn join(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [rest @ .., last] => format!("{} and {last}", rest.join(", ")),
    }
}

fn ordinal(number: u32) -> String {
    let suffix = match (number % 10, number % 100) {
        (1, hundred) if hundred != 11 => "st",
        (2, hundred) if hundred != 12 => "nd",
        (3, hundred) if hundred != 13 => "rd",
        _ => "th",
    };
    format!("{number}{suffix}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_people_would_say() {
        let cases = [
            ("30 8 * * 1-5", "At 08:30 on weekdays"),
            ("@daily", "At 00:00 every day"),
            ("@hourly", "At minute 0 of every hour"),
            ("* * * * *", "Every minute"),
            ("*/5 * * * *", "Every 5 minutes"),
            ("*/15 9-17 * * mon-fri", "Every 15 minutes of hours 9 to 17 on weekdays"),
            ("0 */2 * * *", "At minute 0 of every 2nd hour every day"),
            ("0 8,20 * * *", "At 08:00 and 20:00 every day"),
            ("15,45 * * * *", "At minutes 15 and 45 of every hour"),
            ("0 6 * * 0,6", "At 06:00 at weekends"),
            ("0 6 * * 7,1,3", "At 06:00 on Monday, Wednesday and Sunday"),
            ("0 0 1 * *", "At 00:00 on day 1 of the month"),
            ("0 0 1,15 1-3 *", "At 00:00 on days 1 and 15 of the month in January to March"),
            ("0 0 13 * 5", "At 00:00 on day 13 of the month or on Friday"),
            ("0 0 */2 * 5", "At 00:00 on every 2nd day of the month, only on Friday"),
            ("0 12 * dec *", "At 12:00 every day in December"),
            ("*/7 * * * *", "At minutes 0, 7, 14, 21, 28, 35, 42, 49 and 56 of every hour"),
            ("* 3 * * *", "Every minute of hour 3 every day"),
        ];
        for (expression, expected) in cases {
            assert_eq!(words(&CronLine::parse(expression).unwrap()), expected, "{expression}");
        }
    }
}
