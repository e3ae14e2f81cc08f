//! What the schema of MPDs (ISO/IEC 23009-1, 5th edition, amendment 1) knows, and the extensions that this reader understands: for those
//! who want to show what it does not know.

use super::Element;

/// An element, or the attribute of one, that is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// The line of the element, from 1.
    pub line: u32,
    /// Name of the element, as written.
    pub element: String,
    /// The attribute and its value, if it is only that.
    pub attribute: Option<(String, String)>,
}

/// What is not known in `element`, in the order of the text, up to `most`. What is in an unknown element is not listed apart.
pub fn unknown(element: &Element, most: usize) -> Vec<Unknown> {
    let mut all = Vec::new();
    find(element, most, &mut all);
    all
}

fn find(element: &Element, most: usize, all: &mut Vec<Unknown>) {
    for (name, value) in element.attributes() {
        if all.len() < most && !knows_attribute(element.name(), name) {
            all.push(Unknown {
                line: element.line(),
                element: element.qualified_name().to_owned(),
                attribute: Some((name.to_owned(), value.into_owned())),
            });
        }
    }
    for child in element.children() {
        if knows_child(element.name(), child.name()) {
            find(child, most, all);
        } else if all.len() < most {
            all.push(Unknown {
                line: child.line(),
                element: child.qualified_name().to_owned(),
                attribute: None,
            });
        }
    }
}

/// The names of all elements, each with those of its attributes.
pub fn elements() -> impl Iterator<Item = (&'static str, impl Iterator<Item = &'static str>)> {
    let split = |list: &'static str| list.split(' ').filter(|name| !name.is_empty());
    ELEMENTS
        .iter()
        .map(move |(name, attributes, _)| (*name, split(attributes)))
}

/// Whether an element may have a child of this name.
pub fn knows_child(element: &str, child: &str) -> bool {
    row(element).is_some_and(|(_, _, children)| children.split(' ').any(|name| name == child))
}

/// Whether an element may have this attribute; of a name with a prefix, only the part after it counts.
pub fn knows_attribute(element: &str, attribute: &str) -> bool {
    let local = |name: &str| name.split_once(':').map_or("", |(_, local)| local).to_owned();
    let prefixed = attribute.contains(':');
    if attribute == "xmlns" || attribute.starts_with("xmlns:") || attribute.starts_with("xsi:") {
        return true;
    }
    row(element).is_some_and(|(_, attributes, _)| {
        let mut names = attributes.split(' ');
        names.any(|name| {
            name == attribute || (prefixed && name.contains(':') && local(name) == local(attribute))
        })
    })
}

fn row(element: &str) -> Option<&'static (&'static str, &'static str, &'static str)> {
    ELEMENTS.iter().find(|(name, _, _)| *name == element)
}

/// Elements, their attributes, their children.
#[rustfmt::skip]
const ELEMENTS: [(&str, &str, &str); 73] = [
    ("Accessibility",
        "id schemeIdUri value",
        ""),
    ("AdaptationSet",
        "audioSamplingRate bitstreamSwitching codecs codingDependency containerProfiles contentType frameRate group height id initializationPrincipal initializationSetRef lang maxBandwidth maxFrameRate maxHeight maxPlayoutRate maxWidth maximumSAPPeriod mimeType minBandwidth minFrameRate minHeight minWidth par profiles sar scanType scte214:supplementalCodecs segmentAlignment segmentProfiles selectionPriority startWithSAP subsegmentAlignment subsegmentStartsWithSAP tag width xlink:actuate xlink:href xlink:show xlink:type",
        "Accessibility AudioChannelConfiguration BaseURL ContentComponent ContentPopularityRate ContentProtection EssentialProperty FramePacking GroupLabel InbandEventStream Label OutputProtection ProducerReferenceTime RandomAccess Rating Representation Resync Role SegmentBase SegmentList SegmentTemplate SupplementalProperty Switching Viewpoint"),
    ("AssetIdentifier",
        "id schemeIdUri value",
        ""),
    ("AudioChannelConfiguration",
        "id schemeIdUri value",
        ""),
    ("BaseURL",
        "availabilityTimeComplete availabilityTimeOffset byteRange dvb:priority dvb:weight rangeAccess serviceLocation timeShiftBufferDepth",
        ""),
    ("BitstreamSwitching",
        "range sourceURL",
        ""),
    ("ContentComponent",
        "contentType id lang par tag",
        "Accessibility Rating Role Viewpoint"),
    ("ContentPopularityRate",
        "source source_description",
        "PR"),
    ("ContentProtection",
        "cenc:default_KID id ref refId robustness schemeIdUri value",
        "Laurl laurl pro pssh"),
    ("ContentSteering",
        "defaultServiceLocation queryBeforeStart",
        ""),
    ("Copyright",
        "",
        ""),
    ("EmptyAdaptationSet",
        "audioSamplingRate bitstreamSwitching codecs codingDependency containerProfiles contentType frameRate group height id initializationPrincipal initializationSetRef lang maxBandwidth maxFrameRate maxHeight maxPlayoutRate maxWidth maximumSAPPeriod mimeType minBandwidth minFrameRate minHeight minWidth par profiles sar scanType segmentAlignment segmentProfiles selectionPriority startWithSAP subsegmentAlignment subsegmentStartsWithSAP tag width xlink:actuate xlink:href xlink:show xlink:type",
        "Accessibility AudioChannelConfiguration BaseURL ContentComponent ContentPopularityRate ContentProtection EssentialProperty FramePacking GroupLabel InbandEventStream Label OutputProtection ProducerReferenceTime RandomAccess Rating Representation Resync Role SegmentBase SegmentList SegmentTemplate SupplementalProperty Switching Viewpoint"),
    ("EssentialProperty",
        "id schemeIdUri value",
        ""),
    ("Event",
        "contentEncoding duration id messageData presentationTime",
        "SelectionInfo"),
    ("EventStream",
        "presentationTimeOffset schemeIdUri timescale value xlink:actuate xlink:href xlink:show xlink:type",
        "Event"),
    ("ExtendedBandwidth",
        "vbr",
        "ModelPair"),
    ("FCS",
        "d t",
        ""),
    ("FailoverContent",
        "valid",
        "FCS"),
    ("FramePacking",
        "id schemeIdUri value",
        ""),
    ("GroupLabel",
        "id lang",
        ""),
    ("InbandEventStream",
        "presentationTimeOffset schemeIdUri timescale value xlink:actuate xlink:href xlink:show xlink:type",
        "Event"),
    ("Initialization",
        "range sourceURL",
        ""),
    ("InitializationGroup",
        "contentType id profiles",
        ""),
    ("InitializationPresentation",
        "contentType id profiles",
        ""),
    ("InitializationSet",
        "audioSamplingRate codecs codingDependency containerProfiles contentType frameRate height id inAllPeriods initialization maxFrameRate maxHeight maxPlayoutRate maxWidth maximumSAPPeriod mimeType par profiles sar scanType segmentProfiles selectionPriority startWithSAP tag width xlink:actuate xlink:href xlink:type",
        "Accessibility AudioChannelConfiguration ContentPopularityRate ContentProtection EssentialProperty FramePacking GroupLabel InbandEventStream Label OutputProtection ProducerReferenceTime RandomAccess Rating Resync Role SupplementalProperty Switching Viewpoint"),
    ("Label",
        "id lang",
        ""),
    ("Latency",
        "max min referenceId target",
        "QualityLatency"),
    ("Laurl",
        "licenseUrl",
        ""),
    ("LeapSecondInformation",
        "availabilityStartLeapOffset nextAvailabilityStartLeapOffset nextLeapChangeTime",
        ""),
    ("Location",
        "serviceLocation",
        ""),
    ("MPD",
        "availabilityEndTime availabilityStartTime id maxSegmentDuration maxSubsegmentDuration mediaPresentationDuration minBufferTime minimumUpdatePeriod profiles publishTime suggestedPresentationDelay timeShiftBufferDepth type",
        "BaseURL ContentProtection ContentSteering EssentialProperty InitializationGroup InitializationPresentation InitializationSet LeapSecondInformation Location Metrics PatchLocation Period ProgramInformation ServiceDescription SupplementalProperty UTCTiming"),
    ("Metrics",
        "metrics",
        "Range Reporting"),
    ("ModelPair",
        "bandwidth bufferTime",
        ""),
    ("OperatingBandwidth",
        "max mediaType min target",
        ""),
    ("OperatingQuality",
        "max maxDifference mediaType min target type",
        ""),
    ("OutputProtection",
        "id schemeIdUri value",
        ""),
    ("PR",
        "popularityRate r start",
        ""),
    ("PatchLocation",
        "serviceLocation ttl",
        ""),
    ("Period",
        "bitstreamSwitching duration id start xlink:actuate xlink:href xlink:show xlink:type",
        "AdaptationSet AssetIdentifier BaseURL ContentProtection EmptyAdaptationSet EventStream GroupLabel Preselection SegmentBase SegmentList SegmentTemplate ServiceDescription Subset SupplementalProperty"),
    ("PlaybackRate",
        "max min",
        ""),
    ("Preselection",
        "audioSamplingRate codecs codingDependency containerProfiles frameRate height id lang maxPlayoutRate maximumSAPPeriod mimeType order preselectionComponents profiles sar scanType segmentProfiles selectionPriority startWithSAP tag width",
        "Accessibility AudioChannelConfiguration ContentPopularityRate ContentProtection EssentialProperty FramePacking GroupLabel InbandEventStream Label OutputProtection ProducerReferenceTime RandomAccess Rating Resync Role SupplementalProperty Switching Viewpoint"),
    ("ProducerReferenceTime",
        "applicationScheme id inband presentationTime type wallClockTime",
        "UTCTiming"),
    ("ProgramInformation",
        "lang moreInformationURL",
        "Copyright Source Title"),
    ("QualityLatency",
        "type",
        ""),
    ("RandomAccess",
        "bandwidth interval minBufferTime type",
        ""),
    ("Range",
        "duration starttime",
        ""),
    ("Rating",
        "id schemeIdUri value",
        ""),
    ("Reporting",
        "id schemeIdUri value",
        ""),
    ("Representation",
        "associationId associationType audioSamplingRate bandwidth codecs codingDependency containerProfiles dependencyId frameRate height id maxPlayoutRate maximumSAPPeriod mediaStreamStructureId mimeType profiles qualityRanking sar scanType scte214:supplementalCodecs segmentProfiles selectionPriority startWithSAP tag width",
        "AudioChannelConfiguration BaseURL ContentPopularityRate ContentProtection EssentialProperty ExtendedBandwidth FramePacking GroupLabel InbandEventStream Label OutputProtection ProducerReferenceTime RandomAccess Resync SegmentBase SegmentList SegmentTemplate SubRepresentation SupplementalProperty Switching"),
    ("RepresentationIndex",
        "range sourceURL",
        ""),
    ("Resync",
        "dImax dImin dT marker type",
        ""),
    ("Role",
        "id schemeIdUri value",
        ""),
    ("S",
        "d k n r t",
        ""),
    ("Scope",
        "id schemeIdUri value",
        ""),
    ("SegmentBase",
        "availabilityTimeComplete availabilityTimeOffset eptDelta indexRange indexRangeExact pdDelta presentationDuration presentationTimeOffset timeShiftBufferDepth timescale",
        "FailoverContent Initialization RepresentationIndex"),
    ("SegmentList",
        "availabilityTimeComplete availabilityTimeOffset duration endNumber eptDelta indexRange indexRangeExact pdDelta presentationDuration presentationTimeOffset startNumber timeShiftBufferDepth timescale xlink:actuate xlink:href xlink:show xlink:type",
        "BitstreamSwitching FailoverContent Initialization RepresentationIndex SegmentTimeline SegmentURL"),
    ("SegmentTemplate",
        "availabilityTimeComplete availabilityTimeOffset bitstreamSwitching duration endNumber eptDelta index indexRange indexRangeExact initialization media pdDelta presentationDuration presentationTimeOffset startNumber timeShiftBufferDepth timescale",
        "BitstreamSwitching FailoverContent Initialization RepresentationIndex SegmentTimeline"),
    ("SegmentTimeline",
        "",
        "S"),
    ("SegmentURL",
        "index indexRange media mediaRange",
        ""),
    ("Selection",
        "data dataEncoding parameter",
        ""),
    ("SelectionInfo",
        "contactURL selectionInfo",
        "Selection"),
    ("ServiceDescription",
        "id",
        "ContentSteering Latency OperatingBandwidth OperatingQuality PlaybackRate Scope"),
    ("Source",
        "",
        ""),
    ("SubRepresentation",
        "audioSamplingRate bandwidth codecs codingDependency containerProfiles contentComponent dependencyLevel frameRate height level maxPlayoutRate maximumSAPPeriod mimeType profiles sar scanType segmentProfiles selectionPriority startWithSAP tag width",
        "AudioChannelConfiguration ContentPopularityRate ContentProtection EssentialProperty FramePacking GroupLabel InbandEventStream Label OutputProtection ProducerReferenceTime RandomAccess Resync SupplementalProperty Switching"),
    ("Subset",
        "contains id",
        ""),
    ("SupplementalProperty",
        "id schemeIdUri value",
        ""),
    ("Switching",
        "interval type",
        ""),
    ("Title",
        "",
        ""),
    ("UTCTiming",
        "id schemeIdUri value",
        ""),
    ("Viewpoint",
        "id schemeIdUri value",
        ""),
    ("laurl",
        "licenseUrl",
        ""),
    ("pro",
        "",
        ""),
    ("pssh",
        "",
        ""),
];
