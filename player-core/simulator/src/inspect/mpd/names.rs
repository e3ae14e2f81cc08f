//! How elements and attributes of MPDs are called in JSON, and what their values are.

/// Elements of which there is at most one in its parent: the others are lists.
pub(super) fn is_single(element: &str) -> bool {
    matches!(
        element,
        "AssetIdentifier"
            | "BitstreamSwitching"
            | "ContentSteering"
            | "Copyright"
            | "FailoverContent"
            | "Initialization"
            | "Laurl"
            | "LeapSecondInformation"
            | "PlaybackRate"
            | "RepresentationIndex"
            | "SegmentBase"
            | "SegmentList"
            | "SegmentTemplate"
            | "SegmentTimeline"
            | "SelectionInfo"
            | "Source"
            | "Title"
            | "laurl"
            | "pro"
            | "pssh"
    )
}

/// The member that an element becomes.
pub(super) fn of_element(element: &str) -> String {
    let name = snake_case(element);
    let has_no_plural = matches!(
        element,
        "Accessibility" | "Metrics" | "ProgramInformation" | "RandomAccess" | "Switching"
    );
    if is_single(element) || has_no_plural {
        return name;
    }
    match name.strip_suffix('y') {
        Some(stem) => format!("{stem}ies"),
        None => format!("{name}s"),
    }
}

/// The member that an attribute becomes. Its prefix does not matter, but XLink's are easier to know with it.
pub(super) fn of_attribute(attribute: &str) -> String {
    match attribute.split_once(':') {
        Some((_, local @ ("actuate" | "href" | "show" | "type"))) => format!("xlink_{local}"),
        Some((_, local)) => snake_case(local),
        None => snake_case(attribute),
    }
}

/// `minBufferTime` becomes `min_buffer_time`, `BaseURL` `base_url`.
fn snake_case(name: &str) -> String {
    let mut out = String::new();
    let mut before: Option<char> = None;
    let mut chars = name.chars().peekable();
    while let Some(c) = chars.next() {
        let begins_word = before.is_some_and(|before| {
            c.is_ascii_uppercase()
                && before != '_'
                && (!before.is_ascii_uppercase() || chars.peek().is_some_and(char::is_ascii_lowercase))
        });
        if begins_word {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
        before = Some(c);
    }
    out
}

/// What an attribute's value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// `true` or `false`.
    Bool,
    /// First and last byte.
    ByteRange,
    /// `xs:dateTime`.
    Date,
    /// `xs:duration`.
    Duration,
    /// A URL, relative to the MPD.
    MpdUrl,
    /// A number, or two with a slash between them.
    Number,
    /// Text.
    Text,
    /// A URL, relative to where the element is.
    Url,
}

pub(super) fn value_of(element: &str, attribute: &str) -> Value {
    // Which prefix a document gives to a namespace is its own affair.
    match attribute.split_once(':').map_or(attribute, |(_, local)| local) {
        "duration" | "start" | "starttime" if matches!(element, "Period" | "Range") => Value::Duration,
        "maxSegmentDuration"
        | "maxSubsegmentDuration"
        | "mediaPresentationDuration"
        | "minBufferTime"
        | "minimumUpdatePeriod"
        | "suggestedPresentationDelay"
        | "timeShiftBufferDepth" => Value::Duration,
        "availabilityEndTime" | "availabilityStartTime" | "publishTime" | "wallClockTime" => Value::Date,
        "indexRange" | "mediaRange" => Value::ByteRange,
        "range"
            if matches!(
                element,
                "BitstreamSwitching" | "Initialization" | "RepresentationIndex"
            ) =>
        {
            Value::ByteRange
        }
        "href" | "licenseUrl" | "moreInformationURL" => Value::MpdUrl,
        "sourceURL" => Value::Url,
        "index" | "media" if element == "SegmentURL" => Value::Url,
        "availabilityTimeComplete"
        | "bitstreamSwitching"
        | "codingDependency"
        | "inAllPeriods"
        | "inband"
        | "indexRangeExact"
        | "marker"
        | "queryBeforeStart"
        | "rangeAccess"
        | "segmentAlignment"
        | "subsegmentAlignment"
        | "valid"
        | "vbr" => Value::Bool,
        "type" if element == "Resync" => Value::Number,
        "audioSamplingRate"
        | "availabilityStartLeapOffset"
        | "availabilityTimeOffset"
        | "bandwidth"
        | "bufferTime"
        | "d"
        | "dImax"
        | "dImin"
        | "dT"
        | "duration"
        | "endNumber"
        | "eptDelta"
        | "frameRate"
        | "height"
        | "interval"
        | "level"
        | "max"
        | "maxBandwidth"
        | "maxDifference"
        | "maxFrameRate"
        | "maxHeight"
        | "maxPlayoutRate"
        | "maxWidth"
        | "maximumSAPPeriod"
        | "nextAvailabilityStartLeapOffset"
        | "min"
        | "minBandwidth"
        | "minFrameRate"
        | "minHeight"
        | "minWidth"
        | "pdDelta"
        | "popularityRate"
        | "presentationDuration"
        | "presentationTime"
        | "presentationTimeOffset"
        | "priority"
        | "qualityRanking"
        | "r"
        | "selectionPriority"
        | "startNumber"
        | "startWithSAP"
        | "subsegmentStartsWithSAP"
        | "t"
        | "target"
        | "timescale"
        | "ttl"
        | "weight"
        | "width" => Value::Number,
        _ => Value::Text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (name, expected) in [
            ("minBufferTime", "min_buffer_time"),
            ("sourceURL", "source_url"),
            ("cenc:default_KID", "default_kid"),
            ("subsegmentStartsWithSAP", "subsegment_starts_with_sap"),
            ("maximumSAPPeriod", "maximum_sap_period"),
            ("dImin", "d_imin"),
            ("xlink:href", "xlink_href"),
            ("x:href", "xlink_href"),
            ("scte214:supplementalCodecs", "supplemental_codecs"),
        ] {
            assert_eq!(of_attribute(name), expected);
        }
        for (name, expected) in [
            ("AdaptationSet", "adaptation_sets"),
            ("BaseURL", "base_urls"),
            ("EssentialProperty", "essential_properties"),
            ("Latency", "latencies"),
            ("SegmentTemplate", "segment_template"),
            ("UTCTiming", "utc_timings"),
            ("ProgramInformation", "program_information"),
        ] {
            assert_eq!(of_element(name), expected);
        }
    }
}
