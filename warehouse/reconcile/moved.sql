-- The keys of :table that changed in the source since stage was loaded, up to :bound.
select :key from :table
where :watermark >= :bound
