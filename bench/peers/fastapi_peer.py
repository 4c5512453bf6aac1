"""The peer in Python: FastAPI with SQLAlchemy (asyncpg, a pool), Redis and PyJWT, as the service that evently follows was
described: uvicorn with uvloop and httptools, two workers. Validation and answers by pydantic models, as FastAPI's
documents advise. It has no change log, ETags or access log."""

import datetime
import decimal
import json
import os

import jwt
import redis.asyncio
import sqlalchemy as sa
from fastapi import Depends, FastAPI, HTTPException, Query
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import declarative_base, sessionmaker

SECRET = os.environ["JWT_SECRET"]
TTL_S = int(os.environ.get("TTL_S", "600"))

engine = create_async_engine(os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+asyncpg://"), pool_size=16,
                             max_overflow=16)
Session = sessionmaker(engine, class_=AsyncSession, expire_on_commit=False)
cache = redis.asyncio.Redis.from_url(os.environ["REDIS_URL"], decode_responses=True)
app = FastAPI()
bearer = HTTPBearer()
Base = declarative_base()


class Event(Base):
    __tablename__ = "events"
    id = sa.Column(sa.BigInteger, primary_key=True)
    title = sa.Column(sa.Text)
    venue = sa.Column(sa.Text)
    description = sa.Column(sa.Text)
    event_date = sa.Column(sa.DateTime(timezone=True))
    price = sa.Column(sa.Numeric(10, 2))
    capacity = sa.Column(sa.Integer)
    status = sa.Column(sa.Text)
    created_at = sa.Column(sa.DateTime(timezone=True), server_default=sa.func.now())
    updated_at = sa.Column(sa.DateTime(timezone=True), server_default=sa.func.now())
    created_by = sa.Column(sa.BigInteger)
    version = sa.Column(sa.BigInteger, server_default="1")
    __mapper_args__ = {"eager_defaults": True}

    @property
    def is_upcoming(self):
        return self.status == "published" and self.event_date > datetime.datetime.now(datetime.timezone.utc)


class EventIn(BaseModel):
    title: str = Field(min_length=1, max_length=255)
    venue: str = Field(min_length=1, max_length=255)
    description: str | None = Field(None, max_length=65536)
    event_date: datetime.datetime
    capacity: int = Field(0, ge=0)
    price: decimal.Decimal = Field(decimal.Decimal(0), ge=0)
    status: str = "draft"


class EventOut(EventIn):
    id: int
    is_upcoming: bool
    created_at: datetime.datetime
    updated_at: datetime.datetime
    created_by: int | None
    version: int

    class Config:
        orm_mode = True


class EventList(BaseModel):
    events: list[EventOut]
    total: int
    page: int
    size: int
    has_next: bool
    has_prev: bool


async def session():
    async with Session() as each:
        yield each


def user(credentials: HTTPAuthorizationCredentials = Depends(bearer)):
    try:
        return jwt.decode(credentials.credentials, SECRET, algorithms=["HS256"])
    except jwt.PyJWTError:
        raise HTTPException(401, "invalid token")


def admin(claims: dict = Depends(user)):
    if claims.get("role") != "admin":
        raise HTTPException(403, "needs the role admin")
    return claims


@app.get("/api/v1/events/", response_model=EventList)
async def events(page: int = Query(1, ge=1), size: int = Query(10, ge=1, le=100), claims: dict = Depends(user),
                 db: AsyncSession = Depends(session)):
    key = f"events:{page}:{size}"
    cached = await cache.get(key)
    if cached:
        return json.loads(cached)
    shown = Event.status != "draft"
    rows = (await db.execute(sa.select(Event).where(shown).order_by(Event.id).limit(size).offset((page - 1) * size))).scalars()
    total = (await db.execute(sa.select(sa.func.count()).select_from(Event).where(shown))).scalar()
    answer = EventList(events=[EventOut.from_orm(row) for row in rows], total=total, page=page, size=size,
                       has_next=page * size < total, has_prev=page > 1)
    await cache.set(key, answer.json(), ex=TTL_S)
    return answer


@app.get("/api/v1/events/{event_id}", response_model=EventOut)
async def event(event_id: int, claims: dict = Depends(user), db: AsyncSession = Depends(session)):
    key = f"event:{event_id}"
    cached = await cache.get(key)
    if cached:
        return json.loads(cached)
    row = await db.get(Event, event_id)
    if row is None:
        raise HTTPException(404, "no such event")
    answer = EventOut.from_orm(row)
    if TTL_S > 0:
        await cache.set(key, answer.json(), ex=TTL_S)
    return answer


@app.post("/api/v1/admin/events/", response_model=EventOut, status_code=201)
async def create(wish: EventIn, claims: dict = Depends(admin), db: AsyncSession = Depends(session)):
    row = Event(**wish.dict(), created_by=claims["user_id"])
    db.add(row)
    await db.commit()
    answer = EventOut.from_orm(row)
    await cache.delete("events:1:10")
    await cache.publish("events:created", answer.json())
    return answer
