// SPDX-License-Identifier: Apache-2.0

package locale

import (
	"strconv"
	"strings"
	"time"
)

// Time says the clock time: 10:42.
func (l *Locale) Time(t time.Time) string {
	t = t.In(l.zone)
	return pad(t.Hour()) + l.marks.clock + pad(t.Minute())
}

// Date says a whole date: 20 November 2026.
func (l *Locale) Date(t time.Time) string {
	t = t.In(l.zone)
	return l.T("time.date", "day", strconv.Itoa(t.Day()), "month", l.month(t), "year", strconv.Itoa(t.Year()))
}

// DateTime says a date and a clock time.
func (l *Locale) DateTime(t time.Time) string {
	return l.T("time.datetime", "date", l.Date(t), "time", l.Time(t))
}

// Day says which day t was, as a heading between messages: Today, Yesterday,
// Friday, 20 November; with the year when it is not the year of now.
func (l *Locale) Day(t, now time.Time) string {
	t, now = t.In(l.zone), now.In(l.zone)
	switch daysBetween(t, now) {
	case 0:
		return l.T("time.today")
	case 1:
		return l.T("time.yesterday")
	}
	key := "time.day"
	if t.Year() != now.Year() {
		key = "time.day_year"
	}
	return l.T(key, "weekday", l.T("time.weekday_"+strconv.Itoa(int(t.Weekday()))),
		"day", strconv.Itoa(t.Day()), "month", l.month(t), "year", strconv.Itoa(t.Year()))
}

// Stamp says when t was in as little room as a row of a list has: 10:42,
// Yesterday, Thu, 3 Nov, 3 Nov 2025.
func (l *Locale) Stamp(t, now time.Time) string {
	t, now = t.In(l.zone), now.In(l.zone)
	days := daysBetween(t, now)
	switch {
	case days == 0:
		return l.Time(t)
	case days == 1:
		return l.T("time.yesterday")
	case days > 1 && days < 7:
		return l.T("time.weekday_short_" + strconv.Itoa(int(t.Weekday())))
	}
	key := "time.short"
	if t.Year() != now.Year() {
		key = "time.short_year"
	}
	return l.T(key, "day", strconv.Itoa(t.Day()),
		"month", l.T("time.month_short_"+strconv.Itoa(int(t.Month()))), "year", strconv.Itoa(t.Year()))
}

// Ago says how long before now t was: 5 minutes ago. A moment in the future,
// as clocks that disagree produce, is "just now".
func (l *Locale) Ago(t, now time.Time) string {
	d := now.Sub(t)
	switch {
	case d < time.Minute:
		return l.T("time.now")
	case d < time.Hour:
		return l.T("time.minutes_ago", "count", int(d/time.Minute))
	case d < 24*time.Hour:
		return l.T("time.hours_ago", "count", int(d/time.Hour))
	case d < 30*24*time.Hour:
		return l.T("time.days_ago", "count", int(d/(24*time.Hour)))
	}
	return l.Date(t)
}

// Left says how long something still lasts: 23 h 5 min, 47 min. It rounds up,
// so that it never says 0 before the end.
func (l *Locale) Left(d time.Duration) string {
	if d < 0 {
		d = 0
	}
	minutes := int((d + time.Minute - 1) / time.Minute)
	if minutes >= 60 {
		return l.T("time.hours_minutes", "hours", minutes/60, "minutes", minutes%60)
	}
	return l.T("time.minutes", "minutes", minutes)
}

// Length says how long a recording is: 0:24.
func (l *Locale) Length(d time.Duration) string {
	s := int(d.Round(time.Second) / time.Second)
	if s >= 3600 {
		return strconv.Itoa(s/3600) + ":" + pad(s/60%60) + ":" + pad(s%60)
	}
	return strconv.Itoa(s/60) + ":" + pad(s%60)
}

// Number says a whole number with the grouping of the language: 12,345.
func (l *Locale) Number(n int64) string {
	digits := strconv.FormatInt(n, 10)
	sign := ""
	if digits[0] == '-' {
		sign, digits = "-", digits[1:]
	}
	return sign + l.grouped(digits)
}

// Decimal says a number with a fixed count of places: 1,234.5.
func (l *Locale) Decimal(v float64, places int) string {
	whole, fraction, _ := strings.Cut(strconv.FormatFloat(v, 'f', places, 64), ".")
	sign := ""
	if strings.HasPrefix(whole, "-") {
		sign, whole = "-", whole[1:]
	}
	if fraction != "" {
		fraction = l.marks.decimal + fraction
	}
	return sign + l.grouped(whole) + fraction
}

// Bytes says a size in powers of 1000, as file managers do: 118 MB.
func (l *Locale) Bytes(n int64) string {
	if n < 1000 {
		return l.Number(n) + " B"
	}
	v, units := float64(n)/1000, []string{"kB", "MB", "GB", "TB"}
	i := 0
	for v >= 999.5 && i < len(units)-1 {
		v, i = v/1000, i+1
	}
	places := 0
	if v < 9.95 {
		places = 1
	}
	return l.Decimal(v, places) + " " + units[i]
}

func (l *Locale) grouped(digits string) string {
	if len(digits) <= 3 {
		return digits
	}
	var b strings.Builder
	head := len(digits) % 3
	b.WriteString(digits[:head])
	for i := head; i < len(digits); i += 3 {
		if b.Len() > 0 {
			b.WriteString(l.marks.group)
		}
		b.WriteString(digits[i : i+3])
	}
	return b.String()
}

func (l *Locale) month(t time.Time) string {
	return l.T("time.month_" + strconv.Itoa(int(t.Month())))
}

// daysBetween counts calendar days from t to now, both already in the zone.
func daysBetween(t, now time.Time) int {
	a := time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
	b := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, time.UTC)
	return int(b.Sub(a) / (24 * time.Hour))
}

func pad(n int) string {
	if n < 10 {
		return "0" + strconv.Itoa(n)
	}
	return strconv.Itoa(n)
}
