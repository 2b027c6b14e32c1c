"""All tables in one place, for migrations and for the test that compares both."""

from core.db import jobs, resources, uploads
from core.db.base import Base

TABLES = (*resources.RESOURCE_TABLES.values(), jobs.Job, uploads.PendingUpload)  # naming them loads them
metadata = Base.metadata
