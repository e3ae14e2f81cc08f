//! The constants of each network.
//!
//! They minimise, by differential evolution over simulated sets of the same size and durations, the distance from the measured
//! traces in: mean; standard deviation between and within traces; autocorrelation of ln(kbit/s) at 1 to 60 s; rate, duration and
//! share of outages (50 kbit/s or less); quantiles of the rate and of its ratio to the trace's median; mean square change from
//! second to second. Where a larger set was off, levels, their spread and the outages of `fcc_low` were then moved a little by hand.
//! The constants of `fcc` are by hand altogether: its traces are all a minute of a slow line and then two of a fast one, which no
//! chain of regimes gives.
//!
//! Only these constants are kept of the measurements. `tests/generate.rs` compares the two.

use super::model::Profile;

pub(super) const THREE_G: &[Profile] = &[NORWAY_3G];

pub(super) const CONGESTED: &[Profile] = &[OBOE, PUFFER, FCC_LOW];

pub(super) const CABLE: &[Profile] = &[FCC];

pub(super) const WIFI: &[Profile] = &[WIFI_CN];

pub(super) const LTE: &[Profile] = &[US_LTE, GHENT_4G];

pub(super) const FIVE_G: &[Profile] = &[IRISH_5G, IRISH_5G, US_5G_MMWAVE];

const NORWAY_3G: Profile = Profile {
    like: "norway_3g",
    source: "HSDPA on trams, trains, buses, ferries and in cars around Oslo (Riiser et al., MMSys 2013)",
    step_s: 1.0,
    level: 6.057,
    level_sd: 0.645,
    good: 1.090,
    poor: 1.505,
    good_s: 170.48,
    normal_s: 7.70,
    poor_s: 7.96,
    normal_to_good: 0.227,
    normal_to_outage: 0.237,
    poor_to_outage: 0.231,
    outage_s: 13.29,
    outage_sd: 0.703,
    wander_sd: 0.565,
    wander_s: 14.77,
    peak_kbps: 5_842.0,
    latency_ms: 80.0,
};

const US_LTE: Profile = Profile {
    like: "us_lte",
    source: "4G of the Lumos5G measurements in the US, driving and walking (Narayanan et al., IMC 2020; SIGCOMM 2021)",
    step_s: 1.0,
    level: 10.282,
    level_sd: 0.716,
    good: 0.460,
    poor: 1.609,
    good_s: 77.14,
    normal_s: 46.74,
    poor_s: 36.58,
    normal_to_good: 0.557,
    normal_to_outage: 0.268,
    poor_to_outage: 0.492,
    outage_s: 3.52,
    outage_sd: 0.617,
    wander_sd: 0.520,
    wander_s: 19.69,
    peak_kbps: 258_000.0,
    latency_ms: 50.0,
};

const GHENT_4G: Profile = Profile {
    like: "ghent_4g",
    source: "4G around Ghent, on foot, by bicycle, bus, tram, train and car (van der Hooft et al., IEEE Comm. Letters 2016)",
    step_s: 1.0,
    level: 9.770,
    level_sd: 0.128,
    good: 0.647,
    poor: 1.195,
    good_s: 157.18,
    normal_s: 32.69,
    poor_s: 19.12,
    normal_to_good: 0.477,
    normal_to_outage: 0.067,
    poor_to_outage: 0.221,
    outage_s: 2.78,
    outage_sd: 0.594,
    wander_sd: 0.369,
    wander_s: 1.46,
    peak_kbps: 90_904.0,
    latency_ms: 40.0,
};

const IRISH_5G: Profile = Profile {
    like: "irish_5g",
    source: "5G of an Irish operator, below 6 GHz, still and driving (Raca et al., MMSys 2020)",
    step_s: 1.0,
    level: 9.665,
    level_sd: 1.100,
    good: 0.745,
    poor: 1.568,
    good_s: 5.72,
    normal_s: 3.64,
    poor_s: 2.92,
    normal_to_good: 0.489,
    normal_to_outage: 0.328,
    poor_to_outage: 0.492,
    outage_s: 1.75,
    outage_sd: 0.694,
    wander_sd: 1.037,
    wander_s: 2.33,
    peak_kbps: 484_565.0,
    latency_ms: 35.0,
};

const US_5G_MMWAVE: Profile = Profile {
    like: "us_5g_mmwave",
    source: "5G in millimetre waves in the US, driving and walking (Narayanan et al., SIGCOMM 2021)",
    step_s: 1.0,
    level: 12.915,
    level_sd: 0.623,
    good: 0.444,
    poor: 2.934,
    good_s: 15.34,
    normal_s: 20.51,
    poor_s: 5.64,
    normal_to_good: 0.414,
    normal_to_outage: 0.237,
    poor_to_outage: 0.247,
    outage_s: 2.08,
    outage_sd: 1.076,
    wander_sd: 0.991,
    wander_s: 23.81,
    peak_kbps: 1_890_000.0,
    latency_ms: 25.0,
};

const WIFI_CN: Profile = Profile {
    like: "wifi_cn",
    source: "Wi-Fi in China from servers of 5 and 50 Mbit/s and more (Lv et al., Lumos, INFOCOM 2022)",
    step_s: 4.0,
    level: 9.608,
    level_sd: 0.900,
    good: 0.596,
    poor: 1.705,
    good_s: 57.07,
    normal_s: 88.36,
    poor_s: 3.28,
    normal_to_good: 0.414,
    normal_to_outage: 0.000,
    poor_to_outage: 0.000,
    outage_s: 4.00,
    outage_sd: 0.000,
    wander_sd: 0.274,
    wander_s: 55.26,
    peak_kbps: 82_940.0,
    latency_ms: 25.0,
};

const FCC: Profile = Profile {
    like: "fcc",
    source: "fixed lines of the FCC's Measuring Broadband America (by way of sabre: Spiteri et al., MMSys 2018)",
    step_s: 5.0,
    level: 9.700,
    level_sd: 0.450,
    good: 0.000,
    poor: 2.800,
    good_s: 60.00,
    normal_s: 150.00,
    poor_s: 80.00,
    normal_to_good: 0.000,
    normal_to_outage: 0.000,
    poor_to_outage: 0.000,
    outage_s: 5.00,
    outage_sd: 0.000,
    wander_sd: 0.120,
    wander_s: 8.00,
    peak_kbps: 50_615.0,
    latency_ms: 20.0,
};

const FCC_LOW: Profile = Profile {
    like: "fcc_low",
    source: "slow downloads of the FCC's Measuring Broadband America (by way of Real-world-bandwidth-traces)",
    step_s: 5.0,
    level: 6.873,
    level_sd: 0.550,
    good: 0.298,
    poor: 1.224,
    good_s: 167.89,
    normal_s: 65.80,
    poor_s: 1.02,
    normal_to_good: 0.322,
    normal_to_outage: 0.038,
    poor_to_outage: 0.045,
    outage_s: 5.50,
    outage_sd: 0.300,
    wander_sd: 0.257,
    wander_s: 2.50,
    peak_kbps: 4_042.0,
    latency_ms: 45.0,
};

const PUFFER: Profile = Profile {
    like: "puffer",
    source: "slow viewers of Puffer, October 2021 (Yan et al., NSDI 2020)",
    step_s: 2.0,
    level: 7.398,
    level_sd: 0.660,
    good: 0.309,
    poor: 1.858,
    good_s: 17.36,
    normal_s: 8.75,
    poor_s: 4.32,
    normal_to_good: 0.226,
    normal_to_outage: 0.387,
    poor_to_outage: 0.315,
    outage_s: 2.12,
    outage_sd: 0.030,
    wander_sd: 0.645,
    wander_s: 1.03,
    peak_kbps: 14_947.0,
    latency_ms: 60.0,
};

const OBOE: Profile = Profile {
    like: "oboe",
    source: "viewers' throughput in the evaluation of Oboe (Akhtar et al., SIGCOMM 2018)",
    step_s: 3.0,
    level: 7.820,
    level_sd: 0.600,
    good: 0.580,
    poor: 0.672,
    good_s: 9.73,
    normal_s: 129.34,
    poor_s: 16.87,
    normal_to_good: 0.340,
    normal_to_outage: 0.000,
    poor_to_outage: 0.000,
    outage_s: 3.00,
    outage_sd: 0.000,
    wander_sd: 0.223,
    wander_s: 17.07,
    peak_kbps: 9_754.0,
    latency_ms: 50.0,
};
