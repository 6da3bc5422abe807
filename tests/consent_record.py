"""The form of a consent record, written down a second time: every field that ISO/IEC TS 27560 or the GDPR demands.

`docs/consent-record.schema.json` is this form as JSON Schema, for whoever reads records with other programs.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Text = Annotated[str, Field(min_length=1)]
Urn = Annotated[str, Field(pattern=r"^urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
Moment = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Language = Literal["fi", "sv", "en"]


class Part(BaseModel):
    """Nothing but what is named."""

    model_config = ConfigDict(extra="forbid", strict=True)


def key(name: str, **more: Any) -> Any:
    return Field(alias=name, **more)


class Subject(Part):
    kind: list[Literal["dpv:DataSubject"]] = key("@type", min_length=1)
    id: Urn = key("@id")
    identifier: Text = key("dct:identifier")


class Controller(Part):
    kind: list[Literal["dpv:DataController"]] = key("@type", min_length=1)
    id: Text = key("@id")
    identifier: Text = key("dct:identifier")
    name: Text = key("dpv:hasName")
    address: Text = key("dpv:hasAddress")
    contact: Text = key("dpv:hasContact")


class Authority(Part):
    id: Literal["legal-fi:DPA-FI"] = key("@id")
    name: Text = key("dpv:hasName")
    contact: Text = key("dpv:hasContact")


class Duration(Part):
    kind: list[Literal["dpv:TemporalDuration", "dpv:UntilEventDuration"]] = key("@type", min_length=1)
    value: Text = key("rdf:value")


class Purpose(Part):
    kind: list[Literal["dpv:Purpose"]] = key("@type", min_length=1)
    broader: Literal["dpv:DirectMarketing", "dpv:ServiceUsageAnalytics"] = key("skos:broader")
    label: Literal["newsletter", "tracking"] = key("skos:prefLabel")


class Data(Part):
    kind: list[Literal["dpv:PersonalData"]] = key("@type", min_length=1)
    broader: Literal["pd:EmailAddress", "pd:Name"] = key("skos:broader")
    necessity: Literal["dpv:Required", "dpv:Optional"] = key("dpv:hasNecessity")
    value: Text = key("rdf:value")


class Recipient(Part):
    kind: list[Literal["dpv:Recipient"]] = key("@type", min_length=1)
    name: Text = key("dpv:hasName")
    country: Text = key("log:country")
    ground: Text | None = key("log:transferGround", default=None)


class Storage(Part):
    kind: list[Literal["dpv:StorageLocation", "dpv:StorageDuration"]] = key("@type", min_length=1)
    location: Text | None = key("dpv:hasLocation", default=None)
    duration: Duration | None = key("dpv:hasDuration", default=None)
    since: Text | None = key("log:from", default=None)


class Notice(Part):
    kind: list[Literal["dpv:ConsentNotice"]] = key("@type", min_length=1)
    language: Language = key("dct:language")
    at: Moment = key("dct:date")
    consent: Sha256 = key("log:consent")
    privacy: Sha256 = key("log:privacy")
    tracking: Sha256 | None = key("log:tracking", default=None)


class Control(Part):
    kind: list[Literal["dpv:WithdrawConsent"]] = key("@type", min_length=1)
    where: Text = key("dpv:isExercisedAt")


class Status(Part):
    kind: list[
        Literal[
            "dpv:ConsentRequested",
            "dpv:ConsentGiven",
            "dpv:ConsentUnknown",
            "dpv:RenewedConsentGiven",
            "dpv:ConsentRefused",
            "dpv:ConsentWithdrawn",
            "dpv:ConsentRevoked",
            "dpv:ExpressedConsent",
        ]
    ] = key("@type", min_length=1)
    by: Urn = key("dpv:isIndicatedBy")
    how: Text = key("dpv:hasIndicationMethod")
    at: Moment = key("dpv:isIndicatedAtTime")
    lasting: Duration = key("dpv:hasDuration")
    event: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")] = key("log:event")
    leaf: Annotated[str, Field(pattern=r"^[A-Za-z0-9+/]{43}=$")] = key("log:leafHash")
    index: int | None = key("log:index")


class Process(Part):
    kind: list[Literal["dpv:Process"]] = key("@type", min_length=1)
    purposes: list[Purpose] = key("dpv:hasPurpose", min_length=1)
    version: int | None = key("log:purposeVersion")
    basis: list[Literal["eu-gdpr:A6-1-a", "eu-gdpr:A6-1-f"]] = key("dpv:hasLegalBasis", min_length=1)
    data: list[Data] = key("dpv:hasPersonalData", min_length=2)
    sources: list[Literal["dpv:DataSubjectDataSource"]] = key("dpv:hasDataSource", min_length=1)
    processing: list[Text] = key("dpv:hasProcessing", min_length=1)
    controllers: list[Text] = key("dpv:hasDataController", min_length=1)
    recipients: list[Recipient] = key("dpv:hasRecipient")
    storage: list[Storage] = key("dpv:hasStorageCondition", min_length=2)
    controls: list[Control] | None = key("dpv:hasConsentControl", default=None)
    states: list[Status] | None = key("dpv:hasConsentStatus", default=None)


class ConsentRecord(Part):
    """One person's consent; a process with states of its own is one for which they are asked by itself."""

    context: dict[str, Any] = key("@context")
    id: Urn = key("@id")
    kind: Literal["dpv:ConsentRecord"] = key("@type")
    schema_version: Literal["https://w3id.org/dpv/schema/dpv-27560#record-eu-gdpr"] = key("dct:conformsTo")
    identifier: Text = key("dct:identifier")
    created: Moment = key("dct:created")
    language: Language = key("dct:language")
    subject: Subject = key("dpv:hasDataSubject")
    controllers: list[Controller] = key("dpv:hasDataController", min_length=1)
    jurisdiction: list[Text] = key("dpv:hasJurisdiction", min_length=1)
    law: list[Literal["legal-eu:law-GDPR"]] = key("dpv:hasApplicableLaw", min_length=1)
    authority: Authority = key("dpv:hasAuthority")
    processes: list[Process] = key("dpv:hasProcess", min_length=1)
    notices: list[Notice] = key("dpv:hasNotice")
    controls: list[Control] = key("dpv:hasConsentControl", min_length=1)
    rights: list[Text] = key("dpv:hasRight", min_length=8)
    states: list[Status] = key("dpv:hasConsentStatus", min_length=1)

    @property
    def story(self) -> list[str]:
        """The states in order, without their prefix."""
        return [status.kind[0].removeprefix("dpv:") for status in self.states]
