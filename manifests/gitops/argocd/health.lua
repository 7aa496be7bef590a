-- How an object of Drover is, told from its condition Ready. One script for all kinds.
local hopeless = { -- reasons that only a person can remove
  InvalidSpec = true, Unsupported = true, Refused = true, CrashLoopBackOff = true, ResumeFailed = true, VolumeLost = true,
  ChecksumMismatch = true, DigestMismatch = true, UnknownFormat = true, HasBackingFile = true, HasDataFile = true,
  TooLarge = true, RestartPolicy = true, DeletionBlocked = true, RequiresReplacement = true,
}
local idle = { -- reasons of what nobody needs yet: there is nothing to wait for
  NotNeeded = true, NotFetched = true, NotReported = true, Pending = true,
}

local function health(status, message)
  return { status = status, message = message or "" }
end

if obj.metadata.deletionTimestamp ~= nil then
  return health("Progressing", "is being deleted")
end
if obj.kind == "NetworkAddress" then -- an allocation has no state: it is there or it is not
  return health("Healthy")
end
local status = obj.status
if status == nil or status.conditions == nil then
  return health("Progressing", "not looked at yet")
end
if status.observedGeneration ~= nil and obj.metadata.generation ~= nil and status.observedGeneration < obj.metadata.generation then
  return health("Progressing", "the last change was not looked at yet")
end
local ready, complete, failed
for _, condition in ipairs(status.conditions) do
  if condition.type == "Ready" then ready = condition end
  if condition.type == "Complete" and condition.status == "True" then complete = condition end
  if condition.type == "Failed" and condition.status == "True" then failed = condition end
end
if failed ~= nil then
  return health("Degraded", failed.message)
end
if complete ~= nil then
  return health("Healthy", complete.message)
end
if ready == nil then
  return health("Progressing", "not judged yet")
end
if ready.status == "True" then
  return health("Healthy", ready.message)
end
if obj.kind ~= "VirtualMachine" and idle[ready.reason] then
  return health("Healthy", ready.message)
end
if hopeless[ready.reason] then
  return health("Degraded", ready.message)
end
if ready.status == "Unknown" then
  return health("Unknown", ready.message)
end
return health("Progressing", ready.message)
