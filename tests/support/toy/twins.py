"""Pairs of a captured and a plain model, to compare the effects of the same writes."""

from django.db import models
from django.db.models import F, Q, UniqueConstraint
from django.db.models.functions import Lower

from cdc.api import CapturedModel


class BranchFields(models.Model):
    """A tree whose rows also have other references to each other."""

    parent = models.ForeignKey(
        "self", null=True, on_delete=models.CASCADE, related_name="%(class)s_children"
    )
    friend = models.ForeignKey(
        "self", null=True, on_delete=models.SET_NULL, related_name="%(class)s_friends"
    )
    guard = models.ForeignKey(
        "self", null=True, on_delete=models.PROTECT, related_name="%(class)s_guarded"
    )
    tied = models.ForeignKey(
        "self", null=True, on_delete=models.RESTRICT, related_name="%(class)s_tied"
    )
    size = models.IntegerField(default=0)

    class Meta:
        app_label = "toy"
        abstract = True


class Branch(CapturedModel, BranchFields):
    class Meta(CapturedModel.Meta):
        app_label = "toy"

    def __str__(self) -> str:
        return f"branch {self.pk}"


class Twig(Branch):
    """A proxy of Branch."""

    class Meta(CapturedModel.Meta):
        app_label = "toy"
        proxy = True

    def __str__(self) -> str:
        return f"twig {self.pk}"


class Bridge(CapturedModel):
    """A row that connects two branches."""

    start = models.ForeignKey(Branch, on_delete=models.CASCADE, related_name="bridges")
    end = models.ForeignKey(Twig, on_delete=models.CASCADE, related_name="bridges_here")

    class Meta(CapturedModel.Meta):
        app_label = "toy"

    def __str__(self) -> str:
        return f"bridge {self.pk}"


class PlainBranch(BranchFields):
    class Meta:
        app_label = "toy"

    def __str__(self) -> str:
        return f"plain branch {self.pk}"


class PlainTwig(PlainBranch):
    class Meta:
        app_label = "toy"
        proxy = True

    def __str__(self) -> str:
        return f"plain twig {self.pk}"


class PlainBridge(models.Model):
    start = models.ForeignKey(PlainBranch, on_delete=models.CASCADE, related_name="bridges")
    end = models.ForeignKey(PlainTwig, on_delete=models.CASCADE, related_name="bridges_here")

    class Meta:
        app_label = "toy"

    def __str__(self) -> str:
        return f"plain bridge {self.pk}"


class CouponFields(models.Model):
    """Has unique constraints of every kind, and columns with database defaults."""

    word = models.CharField(max_length=20, null=True, unique=True)  # noqa: DJ001
    slug = models.CharField(max_length=20, null=True)  # noqa: DJ001
    shelf = models.IntegerField(null=True)
    place = models.IntegerField(null=True)
    rank = models.IntegerField(null=True)
    lot = models.IntegerField(null=True, unique=True, db_default=5)
    size = models.IntegerField(db_default=7)
    price = models.DecimalField(max_digits=8, decimal_places=2, null=True, unique=True)
    note = models.CharField(max_length=20, default="")

    class Meta:
        app_label = "toy"
        abstract = True
        constraints = [
            UniqueConstraint(fields=["shelf", "place"], name="%(class)s_place"),
            UniqueConstraint(Lower("slug"), F("shelf").desc(), name="%(class)s_slug"),
            UniqueConstraint(fields=["rank"], condition=Q(place__gt=0), name="%(class)s_rank"),
        ]


class Coupon(CapturedModel, CouponFields):
    class Meta(CapturedModel.Meta, CouponFields.Meta):
        abstract = False

    def __str__(self) -> str:
        return f"coupon {self.pk}"


class PlainCoupon(CouponFields):
    class Meta(CouponFields.Meta):
        abstract = False

    def __str__(self) -> str:
        return f"plain coupon {self.pk}"


class Locker(CapturedModel):
    """Has a key that the database generates."""

    number = models.IntegerField(primary_key=True, db_default=9)
    size = models.IntegerField(default=1)

    class Meta(CapturedModel.Meta):
        app_label = "toy"

    def __str__(self) -> str:
        return f"locker {self.number}"
