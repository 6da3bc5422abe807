"""Where django-newsletter is reached."""

from django.http import HttpResponse
from django.urls import include, path

urlpatterns = [
    path("healthz", lambda _request: HttpResponse("ok")),
    path("newsletter/", include("newsletter.urls")),
]
