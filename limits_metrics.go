package sealift

import "time"

// What a monitoring system is told, and how often.
const (
	// MaxMetricsApps is of how many apps there are numbers by release, and
	// MaxMetricsReleases of how many releases of each: with fourteen numbers a release
	// 14,000 time series, which the smallest Prometheus bears. What is left out is
	// counted.
	MaxMetricsApps     = 50
	MaxMetricsReleases = 20
	// MetricsPeriod is how often numbers are read from rows at the most, whoever asks
	// how often: counting the devices of an app reads a row of each.
	MetricsPeriod = 15 * time.Second
	// MetricsTimeout bounds one reading of them. A Prometheus gives up after ten
	// seconds unless told otherwise.
	MetricsTimeout = 8 * time.Second
	// MinMetricsToken is how many bytes the secret of a monitoring system has at the
	// least: 128 bits in hexadecimal digits.
	MinMetricsToken = 32
	// MaxTallies is how many sorts of answers to devices are told apart; there are
	// some forty, and no device makes one up.
	MaxTallies = 100
)
